// What all labs share: the frame around controls and charts, and the line that says whose numbers are shown.
import { drawRail, makeControls } from "./controls.js";
import { Chart, svg } from "../drawing/drawing.js";
import { html, keepKeys, makeLife, rich } from "./dom.js";

// A lab's frame: hint, controls (in a static page; beside a kernel they are ipywidgets), charts, status.
export function makeFrame({ el, config: { hint, controls: specs, fixed }, host, changed, label }) {
  el.classList.add("lrlab");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", label);
  const life = makeLife();
  keepKeys(el, life);
  if (host === "kernel") keepControlsKeys(el, life);
  const controls = host === "page" ? makeControls(specs, fixed, changed, life) : null;
  const charts = html("div", { class: "lrlab-charts" });
  const status = html("p", { class: "lrlab-status", role: "status", "aria-live": "polite" });
  if (host === "page" && hint) el.append(html("p", { class: "lrlab-hint" }, ...rich(hint)));
  if (host === "page") el.append(controls.root);
  el.append(charts, status);
  let shown = "";
  return {
    life,
    controls,
    charts,
    status,
    chart: (options) => new Chart(charts, life, options),
    // source: whose numbers these are; text: what they say.
    say(source, text) {
      const next = `${source}|${text}`;
      if (next === shown) return;
      shown = next;
      status.replaceChildren(html("span", { class: "lrlab-source" }, `${source}.`), " ", ...rich(text));
    },
  };
}

// Beside a kernel the controls are ipywidgets, next to this view in one box: their keys are the lab's, too. The box is there
// once the view has a size.
function keepControlsKeys(el, life) {
  let kept = null;
  life.watchSize(el, () => {
    const box = el.closest(".lrlab-kernel");
    if (!kept && box) keepKeys((kept = box), life);
  });
}

export const RECORDED = "Recorded";
export const ONLY_RECORDED = "Recorded: this browser lacks WebAssembly";
export const IN_BROWSER = "Trained in this browser";
export const byKernel = (device) => `Trained by the kernel on ${device}`;

// Runs work at most once a frame, with whatever holds when the frame comes; never after the view's end.
export function oncePerFrame(work, life) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      if (!life.over) work();
    });
  };
}

// Tells of a kernel that has gone: what is drawn stays.
export function watchKernel(model, frame) {
  const gone = () => frame.say("The kernel is gone", "The last curve stays; run the cell again to go on.");
  let alive = true; // the event tells that this has changed, not to what
  frame.life.follow(model, "comm_live_update", () => {
    alive = !alive;
    if (!alive) gone();
  });
  frame.life.follow(model, "comm:close", gone);
}

// Earlier curves stay in grey: what was looked at for a while, not every position that a drag passed through.
const LOOKED_AT = 600; // ms
const KEPT = 5;

export function makeGhosts(frame, redraw, forget = () => {}) {
  let kept = [];
  const shown = new Map(); // the curve that stands now, and since when; by its owner where there are several
  const button = html("button", { type: "button", class: "lrlab-quiet", hidden: true }, "forget earlier runs");
  frame.life.listen(button, "click", () => {
    kept = [];
    button.hidden = true;
    forget();
    redraw();
  });
  frame.status.after(button);
  return {
    list: () => kept,
    clear() {
      kept = [];
      shown.clear();
      button.hidden = true;
    },
    // A curve has been drawn: the one before becomes a ghost if it stood long enough to be seen.
    offer(curve, owner = "") {
      const now = performance.now();
      const before = shown.get(owner);
      const same = before?.curve.label === curve.label;
      if (before && !same && now - before.since > LOOKED_AT) {
        kept = [...kept.filter(({ label }) => label !== before.curve.label), before.curve].slice(-KEPT);
        button.hidden = false;
      }
      shown.set(owner, { curve, since: same ? before.since : now });
    },
  };
}

// The scale of learning rates beside a kernel, whose own slider has no marks: ticks, the theory's marks, and where the slider stands.
export function rateScale(frame, spec) {
  const rail = svg("svg", { class: "lrlab-rail alone", "aria-hidden": "true" });
  const root = html("div", { class: "lrlab-scale" }, rail);
  frame.charts.before(root);
  let last = null;
  const draw = (value, marks) => {
    last = [value, marks];
    drawRail(rail, root.clientWidth, spec, marks, value);
  };
  frame.life.watchSize(root, () => last && draw(...last));
  return { draw };
}
