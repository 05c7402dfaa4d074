// A question to answer before the lab is run; the reasons come after.
import { renderMark } from "./curve_mark.js";
import { html, keepKeys, makeLife, rich } from "../hosting/dom.js";

let questionCount = 0;

function render({ model, el }) {
  const { question, choices, mark } = model.get("content");
  const id = `lrlab-question-${++questionCount}`;
  el.classList.add("lrlab", "lrlab-predict");
  const life = makeLife();
  keepKeys(el, life);
  const commit = html("button", { type: "button", disabled: true }, "This is my prediction");
  const status = html("p", { class: "lrlab-status", role: "status" });
  const body = html("fieldset", {}, html("legend", { id }, ...rich(question)));
  el.append(body, html("div", { class: "lrlab-foot" }, commit), status);
  const parts = { body, commit, status, id, life };
  const { reveal, read } = mark ? renderMark(parts, mark) : renderChoices(parts, choices);
  const close = (answer) => {
    commit.parentNode.remove();
    reveal(answer);
  };
  life.listen(commit, "click", () => {
    const answer = read();
    model.set("answer", answer);
    model.save_changes();
    close(answer);
  });
  const before = model.get("answer");
  if (typeof before === "number") close(before);
  return life.end;
}

function renderChoices({ body, commit, status, id, life }, choices) {
  const rows = choices.map(({ text }, i) => {
    const input = html("input", { type: "radio", name: id, value: String(i) });
    return html("div", {}, html("label", {}, input, html("span", {}, ...rich(text))));
  });
  body.append(...rows);
  life.listen(body, "change", () => (commit.disabled = false));
  return {
    read: () => rows.findIndex((row) => row.querySelector("input").checked),
    reveal(picked) {
      choices.forEach(({ right, reason }, i) => {
        const verdict = right ? "Right. " : "Not so. ";
        rows[i].append(html("p", { class: "lrlab-reason" }, html("strong", {}, verdict), ...rich(reason)));
        if (right) rows[i].classList.add("right");
        const input = rows[i].querySelector("input");
        input.disabled = true;
        input.checked = i === picked;
      });
      status.textContent = choices[picked].right ? "You predicted it. Now see it happen." : "You predicted otherwise. Now see what happens.";
    },
  };
}

export default { render };
