// A formula that the reader writes: drawn as it is typed, checked at every point against ours.
import { html, keepKeys, makeLife, rich } from "../hosting/dom.js";
import { Chart, readable } from "../drawing/drawing.js";
import { oncePerFrame } from "../hosting/lab.js";
import { unpack } from "../hosting/packing.js";
import { FormulaError, parseFormula } from "./formula.js";

let cellCount = 0;

const near = (a, b, tolerance) => a === b || Math.abs(a - b) <= tolerance || (Number.isNaN(a) && Number.isNaN(b));

// How a reader's values stand to ours: right, or apart from index first on, and the slip that they are, if any.
export function judge(values, expected, slips, tolerance) {
  const all = (others) => values.every((v, i) => near(v, others[i], tolerance));
  if (all(expected)) return { right: true };
  const first = values.findIndex((v, i) => !near(v, expected[i], tolerance));
  const agreeing = values.filter((v, i) => near(v, expected[i], tolerance)).length;
  return { right: false, first, agreeing, hint: slips.find((slip) => all(slip.values))?.hint };
}

function render({ model, el }) {
  const content = model.get("content");
  const { variable, names, at, tolerance, x, y } = content;
  const expected = Array.from(unpack(content.expected));
  const slips = content.slips.map(({ values, hint }) => ({ values: Array.from(unpack(values)), hint }));
  const id = `lrlab-write-${++cellCount}`;
  const life = makeLife();
  keepKeys(el, life);
  el.classList.add("lrlab", "lrlab-write");
  el.setAttribute("role", "group");
  el.setAttribute("aria-labelledby", `${id}-task`);
  const field = html("textarea", {
    id, rows: "2", spellcheck: "false", autocomplete: "off", autocapitalize: "off", autocorrect: "off", "aria-describedby": `${id}-given ${id}-status`,
  });
  const problem = html("p", { class: "lrlab-problem lrlab-where", "aria-hidden": "true" });
  const status = html("p", { class: "lrlab-status", id: `${id}-status`, role: "status", "aria-live": "polite" });
  el.append(
    html("p", { class: "lrlab-task", id: `${id}-task` }, ...rich(content.task)),
    html("p", { class: "lrlab-given", id: `${id}-given` }, ...rich(content.given)),
    html("div", { class: "lrlab-entry" }, html("label", { for: id }, ...rich(content.left), " ="), field),
    problem,
    status,
  );
  const kind = ({ log }) => (log ? "log" : "linear");
  const chart = new Chart(el, life, { height: 240, label: `${y.label} against ${x.label}: ours, and yours`, right: 56 });
  el.append(html("details", {}, html("summary", {}, "One way to write it"), html("p", {}, html("code", {}, content.answer)), html("p", {}, ...rich(content.reason))));

  function draw(values) {
    const marks = [{ kind: "line", style: "planned", xs: at, ys: expected, label: "ours", name: "ours" }];
    if (values) marks.push({ kind: "line", xs: at, ys: values, label: "yours", name: "yours" });
    chart.draw({
      x: { domain: [x.low, x.high], kind: kind(x), label: x.label }, y: { domain: [y.low, y.high], kind: kind(y), label: y.label }, marks,
      readout(place) {
        const i = at.reduce((nearest, value, k) => (Math.abs(value - place) < Math.abs(at[nearest] - place) ? k : nearest), 0);
        const mine = values ? `, yours ${readable(values[i], 4)}` : "";
        return { x: at[i], y: expected[i], text: `${variable} = ${readable(at[i])}: ours ${readable(expected[i], 4)}${mine}` };
      },
    });
  }

  // The formula with the place in question marked.
  function point(text, { at: start, length }) {
    const there = text.slice(start, start + length);
    problem.replaceChildren(html("code", {}, text.slice(0, start), html("mark", {}, there.trim() ? there : "\u00a0"), text.slice(start + length)));
  }

  function verdict(values) {
    const { right, first, agreeing, hint } = judge(values, expected, slips, tolerance);
    if (right) return ["right", "Right", `at all ${values.length} points.`];
    const [mine, ours] = [values[first], expected[first]];
    const place = `${variable} = ${readable(at[first])}`;
    const gap = Number.isFinite(mine) ? `yours is ${readable(mine, 4)}, ours ${readable(ours, 4)}: ${readable(Math.abs(mine - ours), 3)} apart`
      : `yours is ${readable(mine)}, ours ${readable(ours, 4)}`;
    const rest = agreeing ? ` It agrees at ${agreeing} of ${values.length} points.` : "";
    return [hint ? "slip" : "wrong", "Not yet", `. First apart at ${place}: ${gap}.${rest}${hint ? ` ${hint}` : ""}`];
  }

  function update() {
    const text = field.value;
    problem.replaceChildren();
    let [state, head, rest, values] = ["empty", "", "Write a formula; it is drawn and checked as you type.", null];
    if (text.trim()) {
      try {
        const formula = parseFormula(text, [variable, ...Object.keys(names)]);
        values = at.map((value) => formula({ ...names, [variable]: value }));
        [state, head, rest] = verdict(values);
      } catch (error) {
        if (!(error instanceof FormulaError)) throw error;
        point(text, error);
        [state, head, rest] = ["error", "", `At character ${error.at + 1}: ${error.message}`];
      }
    }
    field.setAttribute("aria-invalid", String(state === "error"));
    status.replaceChildren(html("strong", {}, head), head && !rest.startsWith(".") ? " " : "", ...rich(rest));
    draw(values);
    Object.assign(el.dataset, { state, formula: text });
  }
  const soon = oncePerFrame(update, life);
  life.listen(field, "input", () => {
    model.set("formula", field.value);
    model.save_changes();
    soon();
  });
  field.value = model.get("formula") ?? "";
  update();
  return life.end;
}

export default { render };
