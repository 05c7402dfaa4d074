// A question to answer before the lab is run; the reason for each choice comes after.
import { html, keepKeys, rich } from "./dom.js";

let questionCount = 0;

function render({ model, el }) {
  const { question, choices } = model.get("content");
  const group = `lrlab-question-${++questionCount}`;
  el.classList.add("lrlab", "lrlab-predict");
  keepKeys(el);
  const rows = choices.map(({ text }, i) => {
    const input = html("input", { type: "radio", name: group, value: String(i) });
    return html("div", {}, html("label", {}, input, html("span", {}, ...rich(text))));
  });
  const commit = html("button", { type: "button", disabled: true }, "This is my prediction");
  const status = html("p", { class: "lrlab-status", role: "status" });
  const form = html("fieldset", {}, html("legend", {}, ...rich(question)), ...rows);
  el.append(form, html("div", { class: "lrlab-foot" }, commit), status);
  form.addEventListener("change", () => (commit.disabled = false));

  const reveal = (picked) => {
    choices.forEach(({ right, reason }, i) => {
      const verdict = right ? "Right. " : "Not so. ";
      rows[i].append(html("p", { class: "lrlab-reason" }, html("strong", {}, verdict), ...rich(reason)));
      if (right) rows[i].classList.add("right");
      const input = rows[i].querySelector("input");
      input.disabled = true;
      input.checked = i === picked;
    });
    commit.remove();
    status.textContent = choices[picked].right ? "You predicted it. Now see it happen." : "You predicted otherwise. Now see what happens.";
  };
  commit.addEventListener("click", () => {
    const picked = rows.findIndex((row) => row.querySelector("input").checked);
    model.set("answer", picked);
    model.save_changes();
    reveal(picked);
  });
  const before = model.get("answer");
  if (Number.isInteger(before) && before >= 0) reveal(before);
}

export default { render };
