// Controls of a static page, made from the specification that also makes ipywidgets beside a kernel.
import { html } from "./dom.js";
import { readable, subscripted, svg, ticks } from "../drawing/drawing.js";

let controlCount = 0; // label and input are tied by ids; each page counts its own

// What is wrong with a typed rate, or {value}.
export function parseRate(text, { minimum, maximum }) {
  const typed = text.trim().replace("−", "-").replace(",", ".");
  if (typed === "") return { problem: `The field is empty: type a rate, such as ${readable(Math.sqrt(minimum * maximum), 1)}.` };
  const value = Number(typed);
  if (Number.isNaN(value)) return { problem: `“${text.trim()}” is not a number: type a rate such as 0.05 or 5e-2.` };
  if (value === 0) return { problem: "A rate of 0 would never move: it must be above 0." };
  if (value < 0) return { problem: `A rate of ${typed.replace("-", "−")} would climb the loss: it must be above 0.` };
  if (value < minimum || value > maximum) return { problem: `This lab takes rates from ${readable(minimum)} to ${readable(maximum)}.` };
  return { value };
}

// A rate as it would be typed: 0.05, but 2.5e-6 where zeros would have to be counted.
export function typedRate(value) {
  const short = Number(value.toPrecision(3));
  if (short >= 1e-3 && short < 1e5) return String(short);
  const [mantissa, exponent] = short.toExponential().split("e");
  return `${mantissa}e${Number(exponent)}`;
}

const THUMB = 16; // px, as in lab.css: a slider's ends lie half a thumb inside of it

// Ticks and marks of a logarithmic slider, and a dot at value where there is no slider to show it.
export function drawRail(rail, width, spec, marks, value) {
  if (!width) return;
  const low = Math.log10(spec.minimum);
  const at = (v) => THUMB / 2 + ((Math.log10(v) - low) / (Math.log10(spec.maximum) - low)) * (width - THUMB);
  const parts = [];
  for (const v of ticks({ domain: [spec.minimum, spec.maximum], kind: "log" }, Math.floor(width / 48))) {
    const x = at(v).toFixed(1);
    const place = x < 20 ? { x: 0, "text-anchor": "start" } : { x, "text-anchor": "middle" }; // pages cut off what hangs out to the left
    parts.push(svg("path", { d: `M${x} 0v5` }), svg("text", { ...place, y: 17 }, readable(v)));
  }
  for (const mark of marks) {
    if (mark.value < spec.minimum || mark.value > spec.maximum) continue;
    const x = at(mark.value).toFixed(1);
    parts.push(svg("path", { class: "lrlab-mark", d: `M${x} -22v26` }));
    const anchor = x > width - 60 ? "end" : x < 60 ? "start" : "middle";
    parts.push(svg("text", { class: "lrlab-mark", x, y: -25, "text-anchor": anchor }, ...subscripted(mark.label)));
  }
  if (value !== undefined) parts.push(svg("path", { d: `M${THUMB / 2} 0H${width - THUMB / 2}` }), svg("circle", { cx: at(value).toFixed(1), cy: 0, r: 5 }));
  rail.replaceChildren(...parts);
}

function logSlider(spec, changed, life) {
  const id = `lrlab-control-${++controlCount}`;
  const low = Math.log10(spec.minimum);
  const decades = Math.log10(spec.maximum) - low;
  const positions = Math.round(decades * spec.per_decade);
  const place = (value) => (Math.log10(value) - low) / decades;
  const slider = html("input", { type: "range", id, min: "0", max: String(positions), step: "1", name: spec.name });
  const field = html("input", {
    type: "text", inputmode: "decimal", class: "lrlab-number", "aria-label": `${spec.label}, typed`, "aria-describedby": `${id}-problem`,
    autocomplete: "off", spellcheck: "false", name: `${spec.name}-typed`,
  });
  const problem = html("p", { class: "lrlab-problem", id: `${id}-problem`, role: "alert" });
  const rail = svg("svg", { class: "lrlab-rail", "aria-hidden": "true" });
  const track = html("div", { class: "lrlab-track" }, slider, rail);
  const root = html("div", { class: "lrlab-control wide" },
    html("label", { for: id }, spec.label), html("div", { class: "lrlab-row" }, track, field), problem);
  let value = spec.value;
  let marks = [];
  const complain = (text) => {
    if (problem.textContent !== text) problem.textContent = text;
    field.setAttribute("aria-invalid", String(text !== ""));
  };
  const showSlider = () => {
    slider.value = String(Math.round(place(value) * positions));
    slider.setAttribute("aria-valuetext", typedRate(value));
  };
  const show = () => {
    showSlider();
    field.value = typedRate(value);
    complain("");
  };
  const redraw = () => drawRail(rail, track.clientWidth, spec, marks);
  life.listen(slider, "input", () => {
    const raw = 10 ** (low + (Number(slider.value) / positions) * decades);
    value = Math.min(spec.maximum, Math.max(spec.minimum, Number(raw.toPrecision(3)))); // what is shown is what is used
    show();
    changed();
  });
  life.listen(field, "input", () => {
    const { value: typed, problem: text = "" } = parseRate(field.value, spec);
    complain(text);
    if (text || typed === value) return;
    value = typed;
    showSlider();
    changed();
  });
  life.watchSize(track, redraw);
  show();
  return {
    root,
    get: () => value,
    mark(next) {
      if (JSON.stringify(next) === JSON.stringify(marks)) return;
      marks = next;
      redraw();
    },
  };
}

function linearSlider(spec, changed, life) {
  const id = `lrlab-control-${++controlCount}`;
  const slider = html("input", {
    type: "range", id, name: spec.name, min: String(spec.minimum), max: String(spec.maximum), step: String(spec.step),
  });
  const shown = html("output", { for: id });
  const root = html("div", { class: "lrlab-control" },
    html("label", { for: id }, spec.label), html("div", { class: "lrlab-row" }, slider, shown));
  const show = () => (shown.textContent = readable(Number(slider.value), 6));
  slider.value = String(spec.value);
  life.listen(slider, "input", () => {
    show();
    changed();
  });
  show();
  return {
    root,
    get: () => Number(slider.value),
    set(value) {
      slider.value = String(value);
      show();
    },
  };
}

function choice(spec, changed, life) {
  const id = `lrlab-control-${++controlCount}`;
  const select = html("select", { id, name: spec.name });
  spec.options.forEach(([, label], i) => select.append(html("option", { value: String(i) }, label)));
  select.value = String(spec.options.findIndex(([option]) => option === spec.value));
  life.listen(select, "input", changed);
  return {
    root: html("div", { class: "lrlab-control" }, html("label", { for: id }, spec.label), select),
    get: () => spec.options[Number(select.value)][0],
  };
}

function toggle(spec, changed, life) {
  const id = `lrlab-control-${++controlCount}`;
  const box = html("input", { type: "checkbox", id, name: spec.name, checked: spec.value });
  life.listen(box, "input", changed);
  return {
    root: html("div", { class: "lrlab-control lrlab-toggle" }, box, html("label", { for: id }, spec.label)),
    get: () => box.checked,
  };
}

const MAKERS = { log: logSlider, linear: linearSlider, choice, toggle };

// All controls of a lab in one row; changed(name) at each input event. What is fixed is a value without a control.
export function makeControls(specs, fixed, changed, life) {
  const root = html("div", { class: "lrlab-controls", role: "group", "aria-label": "Controls" });
  const made = new Map();
  for (const spec of specs) {
    const control = MAKERS[spec.kind](spec, () => changed(spec.name), life);
    control.spec = spec;
    made.set(spec.name, control);
    root.append(control.root);
  }
  return {
    root,
    control: (name) => made.get(name),
    values: () => ({ ...fixed, ...Object.fromEntries([...made].map(([name, control]) => [name, control.get()])) }),
    show: (name, visible) => (made.get(name).root.hidden = !visible),
    // Everything but these stands still: what was recorded was recorded at their settings.
    only(...names) {
      for (const [name, { root: control }] of made) {
        if (!names.includes(name)) for (const input of control.querySelectorAll("input, select")) input.disabled = true;
      }
    },
  };
}
