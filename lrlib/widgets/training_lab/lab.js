// The training lab: a real network, retrained at each move.
import { html } from "../hosting/dom.js";
import { rateColour, readable } from "../drawing/drawing.js";
import { makeFrame, makeGhosts, rateScale } from "../hosting/lab.js";
import { unpack } from "../hosting/packing.js";
import { makeRuns } from "../trainer/trained_lab.js";
import { divergedAt } from "../trainer/wasm_runner.js";

const LOWEST = 1e-3; // losses below lie on the frame's edge
const HIGHEST = 1e4;

const sameBut = (names, a, b) => Object.keys(a).every((name) => names.includes(name) || a[name] === b[name]);

function render({ model, el }) {
  const config = model.get("config");
  const host = model.get("host");
  const rateSpec = config.controls.find(({ name }) => name === "learning_rate");
  const span = [rateSpec.minimum, rateSpec.maximum];
  const frame = makeFrame({ el, config, host, label: "Training lab", changed: onControl });
  const scale = host === "kernel" ? rateScale(frame, rateSpec) : null;
  const curves = frame.chart({ height: 300, label: "Loss against the step", right: 74 });
  const ratios = config.charts.includes("ratio") && frame.chart({ height: 300, label: "Update-to-weight ratio against the step", right: 30 });
  const budget = config.charts.includes("budget") && frame.chart({ height: 300, label: "Validation loss after the budget against the learning rate", right: 16 });
  const button = html("button", { type: "button", class: "lrlab-sweep" }, `Train at ${config.rates.length} rates at once`);
  if (budget) frame.charts.after(html("div", { class: "lrlab-foot" }, button));
  const ghosts = makeGhosts(frame, paint);
  const settings = () => (frame.controls ? frame.controls.values() : model.get("settings"));

  let sweep = null; // {points, settings, number}

  function paint() {
    const { record, settings: now, source } = runs.shown;
    const { loss, ratio, validation, evalSteps, rate } = record;
    const bad = divergedAt(loss, config.threshold);
    const last = bad < 0 ? loss.length - 1 : bad;
    const colour = rateColour(rate, span);
    const at = Array.from({ length: last + 1 }, (_, t) => t);
    const edge = (v) => (Number.isFinite(v) ? Math.max(v, LOWEST) : NaN);
    const trained = loss.slice(0, last + 1).map(edge);
    const held = evalSteps.flatMap((step, i) => (bad < 0 || step <= bad ? [[step, edge(validation[i])]] : []));
    const peak = Math.max(...trained.filter(Number.isFinite), ...held.map(([, v]) => v).filter(Number.isFinite));
    const top = Number.isFinite(peak) && peak > 0 ? Math.min(HIGHEST, Math.max(10, 10 ** Math.ceil(Math.log10(peak)))) : 10;
    const cross = (value) => (Number.isFinite(value) ? value : HIGHEST * 10);
    ghosts.offer({ xs: held.map(([s]) => s), ys: held.map(([, v]) => v), label: readable(rate) });
    const marks = ghosts.list().map((old) => ({ kind: "line", style: "ghost", xs: old.xs, ys: old.ys, label: old.label }));
    marks.push({ kind: "line", style: "faint", xs: at, ys: trained, colour, label: bad < 0 && record.done ? "minibatch" : undefined, name: "loss" });
    marks.push({ kind: "line", xs: held.map(([s]) => s), ys: held.map(([, v]) => v), colour, label: bad < 0 && record.done ? "validation" : undefined, name: "validation" });
    if (bad >= 0) marks.push({ kind: "cross", x: bad, y: cross(loss[bad]), colour, label: `step ${bad}` });
    const x = { domain: [0, now.steps], label: "step" };
    curves.draw({
      x, y: { domain: [LOWEST, top], kind: "log", label: "loss" }, marks,
      readout(place) {
        const t = Math.round(place);
        if (t < 0 || t > last) return null;
        return { x: t, y: trained[t], text: `step ${t}: minibatch loss ${readable(loss[t])}` };
      },
    });
    if (ratios) paintRatios({ x, at, ratio, last, bad, colour, cross });
    paintBudget(now, rate);
    scale?.draw(now.learning_rate, []);
    const verdict = bad >= 0 ? `diverged at step ${bad}.`
      : record.done ? `validation loss ${readable(validation.at(-1))} after ${now.steps} steps; last minibatch ${readable(loss.at(-1))}.`
        : `step ${loss.length} of ${now.steps} …`;
    frame.say(source, `η = ${readable(rate)}: ${verdict}`);
    el.dataset.settings = JSON.stringify(now);
    el.dataset.done = String(record.done);
    el.dataset.loss = String(loss.at(-1));
    el.dataset.validation = String(validation.at(-1));
    el.dataset.diverged = String(bad);
  }

  function paintRatios({ x, at, ratio, last, bad, colour, cross }) {
    const moved = ratio.slice(0, last + 1).map((r) => (Number.isFinite(r) && r > 0 ? Math.max(r, 1e-6) : NaN));
    ratios.draw({
      x, y: { domain: [1e-5, 10], kind: "log", label: "update / weight, median over tensors" },
      marks: [
        { kind: "horizontal", y: 1e-3, label: "10⁻³, a common rule of thumb" },
        { kind: "line", style: "thin", xs: at, ys: moved, colour, name: "ratio" },
        ...(bad >= 0 ? [{ kind: "cross", x: bad, y: cross(ratio[bad]), colour }] : []),
      ],
      readout(place) {
        const t = Math.round(place);
        return t < 0 || t > last ? null : { x: t, y: moved[t], text: `step ${t}: ${readable(ratio[t])}` };
      },
    });
  }

  let budgetDrawn = "";
  function paintBudget(now, rate) {
    if (!sweep || !budget) return;
    const stale = !sameBut(["learning_rate", "device"], sweep.settings, now);
    const key = `${sweep.number} ${stale} ${rate}`;
    if (key === budgetDrawn) return; // as while a curve grows
    budgetDrawn = key;
    const good = sweep.points.filter(({ final, bad }) => !bad && Number.isFinite(final));
    const finals = good.map(({ final }) => final).filter((final) => final > 0);
    const low = Math.max(LOWEST, 10 ** Math.floor(Math.log10(Math.min(0.5, ...finals)))); // whole decades, so that the frame stands
    const high = Math.min(HIGHEST, 10 ** Math.ceil(Math.log10(Math.max(5, ...finals))));
    const marks = [
      { kind: "vertical", x: rate, style: "now" },
      { kind: "line", style: "ghost", xs: good.map((p) => p.rate), ys: good.map((p) => p.final), name: "budget" },
      ...good.map((p) => ({ kind: "dot", x: p.rate, y: Math.min(high, Math.max(low, p.final)), colour: stale ? "var(--lr-ghost)" : rateColour(p.rate, span) })),
      ...sweep.points.filter((p) => !good.includes(p)).map((p) => ({ kind: "cross", x: p.rate, y: high, style: stale ? "ghost" : "" })),
    ];
    const title = `validation loss after ${sweep.settings.steps} steps${stale ? " (other settings)" : ""}`;
    budget.draw({
      x: { domain: span, kind: "log", label: "learning rate η" }, y: { domain: [low, high], kind: "log", label: title }, marks,
      readout(place) {
        const gap = (p) => Math.abs(Math.log(p.rate / place));
        const near = sweep.points.reduce((best, p) => (gap(p) < gap(best) ? p : best));
        return { x: near.rate, text: `η = ${readable(near.rate)}: ${near.bad ? "diverged" : readable(near.final)}` };
      },
    });
  }

  function keepSweep(next) {
    sweep = { ...next, number: (sweep?.number ?? 0) + 1 };
    el.dataset.sweep = JSON.stringify(sweep.points.map(({ rate, final }) => [rate, String(final)]));
  }

  const { ratio: recordedRatios, steps } = config.recorded ?? {};
  const runs = makeRuns({
    model, el, frame, button, settings, paint, keepSweep, extra: "ratio",
    recordedExtra: (k) => Array.from(unpack(recordedRatios).subarray(k * steps, (k + 1) * steps)),
    options: () => ({ evaluations: config.evaluations }),
    changed: (now, before) => sameBut(["learning_rate", "device"], now, before) || ghosts.clear(),
  });
  function onControl() {
    runs.soon();
  }
  runs.begin();
  return frame.life.end;
}

export default { render };
