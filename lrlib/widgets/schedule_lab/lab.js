// The schedule lab: compose a schedule; its rates, planned and used; the loss that it gives, at one peak rate and at many.
import { html } from "../hosting/dom.js";
import { readable } from "../drawing/drawing.js";
import { makeFrame, makeGhosts, rateScale } from "../hosting/lab.js";
import { unpack } from "../hosting/packing.js";
import { SHORT_NAMES, shapeFactors } from "./shapes.js";
import { makeRuns } from "../trainer/trained_lab.js";
import { canCompute, divergedAt } from "../trainer/wasm_runner.js";

const LOSSES = [1e-3, 1e4]; // losses beyond lie on the frame's edge
const SWEEPS_KEPT = 6;
const DRAWN = 300; // minibatch losses: more would only blacken the chart
const NARROW = 480; // px
const ACCENT = "var(--lr-accent)";

// What can differ between two runs of one task and length, and how a label says it.
const PARTS = {
  decay: ({ decay }) => SHORT_NAMES[decay],
  warmup: ({ warmup }) => (warmup ? `warm-up ${readable(warmup)}` : "no warm-up"),
  cycles: ({ cycles }) => (cycles > 1 ? `${cycles} cycles` : "1 cycle"),
  floor: ({ floor }) => `floor ${readable(floor)}`,
  rule: ({ rule }) => (rule === "Gradient descent" ? "descent" : rule),
  seed: ({ seed }) => `seed ${seed}`,
  learning_rate: ({ learning_rate: rate }) => `η ${readable(rate)}`,
};
const NOTABLE = { warmup: ({ warmup }) => warmup > 0, cycles: ({ cycles }) => cycles > 1, floor: ({ floor }) => floor > 0 };
const flat = (settings) => (settings.decay === "Constant" ? { ...settings, cycles: 1, floor: 0 } : settings);
const differing = (a, b) => Object.keys(PARTS).filter((name) => flat(a)[name] !== flat(b)[name]);

const isDefault = (settings, name) => name in NOTABLE && !NOTABLE[name](settings);

// What a grey line was, said by what has changed since; what it went without only where nothing else can be said.
function difference(old, now, { but = [], most }) {
  const names = differing(old, now).filter((name) => !but.includes(name));
  const telling = names.filter((name) => !isDefault(flat(old), name));
  const text = (telling.length ? telling : names).map((name) => PARTS[name](flat(old))).join(", ");
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

// A schedule in a few words: the decay, and whatever is added to it.
const inWords = (settings) => [settings.decay,
  ...Object.keys(NOTABLE).filter((name) => !isDefault(flat(settings), name)).map((name) => PARTS[name](settings))].join(", ");

const inFull = (settings, name) => (name === "rule" ? settings.rule : PARTS[name](settings));

const comparable = (a, b) => a.task === b.task && a.steps === b.steps;
const sameSweep = (a, b) => comparable(a, b) && differing(a, b).every((name) => name === "learning_rate");

// Mean over a window of 2 half + 1 steps, or as much of it as there is.
function smoothed(values, half) {
  return values.map((_, t) => {
    const window = values.slice(Math.max(0, t - half), t + half + 1);
    return window.reduce((sum, value) => sum + value, 0) / window.length;
  });
}

const roundBelow = (value) => [1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5].reduce((best, v) => (v <= value ? v : best), LOSSES[0]);
const roundAbove = (value) => [3, 10, 30, 100, 1e3].find((v) => v >= value) ?? LOSSES[1];
const finite = (values) => values.filter(Number.isFinite);

function render({ model, el }) {
  const config = model.get("config");
  const host = model.get("host");
  const rateSpec = config.controls.find(({ name }) => name === "learning_rate");
  const span = [rateSpec.minimum, rateSpec.maximum];
  const frame = makeFrame({ el, config, host, label: "Schedule lab", changed: onControl });
  const scale = host === "kernel" ? rateScale(frame, rateSpec) : null;
  el.classList.add("lrlab-schedule");
  const narrow = el.clientWidth > 0 && el.clientWidth < NARROW;
  const rates = frame.chart({ height: 260, label: "Learning rate against the step, planned and used", right: 92 });
  const curves = frame.chart({ height: 260, label: "Loss against the step", right: 92 });
  const budget = frame.chart({ height: 260, label: "Validation loss after the budget against the peak rate", right: narrow ? 92 : 128 });
  const button = html("button", { type: "button", class: "lrlab-sweep" }, `Train at ${config.rates.length} peak rates`);
  const best = html("p", { class: "lrlab-best" });
  frame.charts.after(html("div", { class: "lrlab-foot" }, button, best));
  const ghosts = makeGhosts(frame, paint, () => (sweeps = sweeps.filter((sweep) => sameSweep(sweep.settings, runs.shown.settings))));
  const settings = () => (frame.controls ? { ...frame.controls.values(), batch_size: config.batch_size } : model.get("settings"));

  let sweeps = []; // {points, settings}, the newest last

  function keepSweep(sweep) {
    sweeps = [...sweeps.filter((old) => !sameSweep(old.settings, sweep.settings)), sweep].slice(-SWEEPS_KEPT);
  }

  function paint() {
    const { record, settings: now, source } = runs.shown;
    const { loss, used, validation, evalSteps, rate } = record;
    const bad = divergedAt(loss, config.threshold);
    const last = bad < 0 ? loss.length - 1 : bad;
    const at = Array.from({ length: last + 1 }, (_, t) => t);
    const planned = Array.from(shapeFactors(now), (factor) => rate * factor);
    const held = evalSteps.flatMap((step, i) => (bad < 0 || step <= bad ? [[step, validation[i]]] : []));
    const [heldAt, heldLoss] = [held.map(([step]) => step), held.map(([, v]) => v)];
    ghosts.offer({ label: JSON.stringify(now), settings: now, planned, heldAt, heldLoss });
    const old = ghosts.list().filter((ghost) => comparable(ghost.settings, now)).map((ghost) => ({ ...ghost, name: difference(ghost.settings, now, { most: 15 }) }));
    const x = { domain: [0, now.steps], label: "step" };
    paintRates({ x, now, rate, used: used.slice(0, last + 1), planned, at, old, bad, done: record.done });
    paintCurves({ x, now, trained: loss.slice(0, last + 1), heldAt, heldLoss, at, old, bad, done: record.done, loss });
    paintBudget(now, rate);
    scale?.draw(now.learning_rate, []);
    const far = used.slice(0, last + 1).map((value, t) => Math.abs(value - planned[t]) / rate);
    const worst = far.indexOf(Math.max(...far));
    const agreement = far[worst] < 1e-12 ? `Planned and used rates agree at ${bad < 0 ? "all" : "the"} ${far.length} updates${bad < 0 ? "" : " until then"}.`
      : `Planned and used rates differ, most at step ${worst}: ${readable(planned[worst])} planned, ${readable(used[worst])} used.`;
    const verdict = bad >= 0 ? `diverged at step ${bad}. ${agreement}`
      : record.done ? `validation loss ${readable(validation.at(-1))} after ${now.steps} steps. ${agreement}`
        : `step ${loss.length} of ${now.steps} …`;
    frame.say(source, `${inWords(now)}, peak η = ${readable(rate)}: ${verdict}`);
    Object.assign(el.dataset, {
      settings: JSON.stringify(now), done: String(record.done), loss: String(loss.at(-1)), validation: String(validation.at(-1)),
      diverged: String(bad), apart: String(far[worst]),
    });
  }

  function paintRates({ x, now, rate, used, planned, at, old, bad, done }) {
    const near = old.filter((ghost) => ghost.settings.learning_rate < 4 * rate); // others would only leave the frame
    const end = done && bad < 0;
    const marks = near.map((ghost) => ({ kind: "line", style: "ghost", xs: [...ghost.planned.keys()], ys: ghost.planned, label: ghost.name }));
    marks.push({ kind: "line", style: "planned", xs: [...planned.keys()], ys: planned, label: "planned", name: "planned" });
    marks.push({ kind: "line", xs: at, ys: used, colour: ACCENT, label: end ? "used" : undefined, name: "used" });
    if (bad >= 0) marks.push({ kind: "cross", x: bad, y: used[bad], label: `step ${bad}` });
    rates.draw({
      x, y: { domain: [0, 1.06 * Math.max(rate, ...near.map((ghost) => ghost.settings.learning_rate))], label: "learning rate" }, marks,
      readout(place) {
        const t = Math.round(place);
        if (t < 0 || t >= now.steps) return null;
        return { x: t, y: planned[t], text: `step ${t}: ${readable(planned[t])} planned${t < used.length ? `, ${readable(used[t])} used` : ""}` };
      },
    });
  }

  function paintCurves({ x, now, trained, heldAt, heldLoss, at, old, bad, done, loss }) {
    const half = Math.round(0.6 * Math.sqrt(now.steps));
    const mean = smoothed(trained, half);
    const edge = (v) => (Number.isFinite(v) ? Math.max(v, LOSSES[0]) : NaN);
    const seen = finite([...mean, ...heldLoss, ...old.flatMap((ghost) => ghost.heldLoss)]);
    const domain = [roundBelow(0.9 * Math.min(...seen)), roundAbove(Math.max(...seen))];
    const end = done && bad < 0;
    const marks = old.map((ghost) => ({ kind: "line", style: "ghost", xs: ghost.heldAt, ys: ghost.heldLoss.map(edge), label: ghost.name }));
    const some = at.filter((t) => t % Math.ceil(now.steps / DRAWN) === 0);
    marks.push({ kind: "line", style: "raw", xs: some, ys: some.map((t) => edge(trained[t])), name: "loss" });
    marks.push({ kind: "line", style: "thin", xs: at, ys: mean.map(edge), colour: ACCENT, label: end ? "training" : undefined, name: "mean" });
    marks.push({ kind: "line", xs: heldAt, ys: heldLoss.map(edge), colour: ACCENT, label: end ? "validation" : undefined, name: "validation" });
    if (bad >= 0) marks.push({ kind: "cross", x: bad, y: Number.isFinite(loss[bad]) ? loss[bad] : 10 * LOSSES[1], label: `step ${bad}` });
    curves.draw({
      x, y: { domain, kind: "log", label: `loss; training: mean over ${2 * half + 1} steps` }, marks,
      readout(place) {
        const t = Math.round(place);
        if (t < 0 || t >= trained.length) return null;
        return { x: t, y: edge(mean[t]), text: `step ${t}: ${readable(mean[t])}, minibatch ${readable(loss[t])}` };
      },
    });
  }

  function paintBudget(now, rate) {
    const all = sweeps.filter((sweep) => comparable(sweep.settings, now)).map(({ points, settings: own }) => {
      const good = points.filter(({ final, bad }) => !bad && Number.isFinite(final));
      const low = good.reduce((least, point) => (point.final < (least?.final ?? Infinity) ? point : least), null);
      return { points, own, good, low, current: sameSweep(own, now) };
    });
    const here = all.find(({ current }) => current);
    const lows = all.flatMap(({ low }) => (low ? [low.final] : []));
    const domain = [roundBelow(0.9 * Math.min(0.5, ...lows)), 3];
    const inside = (v) => Math.min(domain[1], Math.max(domain[0], v));
    const marks = [{ kind: "vertical", x: rate, style: "now" }];
    for (const { points, own, good, low, current } of [...all.filter((sweep) => sweep !== here), ...(here ? [here] : [])]) {
      const [xs, ys] = [good.map((p) => p.rate), good.map((p) => inside(p.final))];
      const name = current ? SHORT_NAMES[own.decay] : difference(own, now, { but: ["learning_rate"], most: narrow ? 15 : 21 });
      const colour = current ? ACCENT : undefined;
      marks.push({ kind: "line", style: current ? "thin" : "ghost", xs, ys, name: current ? "budget" : "earlier budget", points: current, colour });
      if (!current) marks.push(...(low ? [{ kind: "dot", x: low.rate, y: inside(low.final), colour: "var(--lr-ghost)" }] : []));
      const [style, level] = [current ? "leader" : "leader ghost", inside(low?.final)];
      if (low) marks.push({ kind: "line", style, xs: [low.rate, span[1]], ys: [level, level], colour, label: name });
      if (current) marks.push(...points.filter((p) => !good.includes(p)).map((p) => ({ kind: "cross", x: p.rate, y: domain[1] })));
    }
    const title = `validation loss after ${now.steps} steps${all.length ? "" : ": train at all peak rates to see it"}`;
    budget.draw({
      x: { domain: span, kind: "log", label: "peak rate η" }, y: { domain, kind: "log", label: title }, marks,
      readout(place) {
        if (!here) return null;
        const gap = (p) => Math.abs(Math.log(p.rate / place));
        const near = here.points.reduce((nearest, p) => (gap(p) < gap(nearest) ? p : nearest));
        return { x: near.rate, text: `peak η = ${readable(near.rate)}: ${near.bad ? "diverged" : readable(near.final)}` };
      },
    });
    const ranking = all.filter(({ low }) => low).sort((a, b) => a.low.final - b.low.final);
    const besides = ["rule", "seed"].filter((name) => all.some(({ own }) => own[name] !== all[0].own[name]));
    const told = ranking.flatMap(({ own, low, current }, i) => [i ? " · " : "", html("span", { class: current ? "now" : "" },
      `${[inWords(own), ...besides.map((name) => inFull(own, name))].join(", ")}: ${readable(low.final)} at\u00a0η\u00a0=\u00a0${readable(low.rate)}`)]);
    best.replaceChildren(...(told.length ? [told.length > 2 ? "Each at its best peak: " : "At its best peak: ", ...told] : []));
    el.dataset.sweep = here ? JSON.stringify(here.points.map(({ rate: r, final }) => [r, String(final)])) : "";
    el.dataset.sweeps = String(all.length);
  }

  function changed(now, before) {
    if (!comparable(now, before)) ghosts.clear();
    for (const name of ["cycles", "floor"]) {
      const input = frame.controls?.control(name).root.querySelector("input");
      if (input && canCompute()) input.disabled = now.decay === "Constant";
    }
  }

  const runs = makeRuns({
    model, el, frame, button, settings, changed, paint, keepSweep, extra: "used",
    recordedExtra: (k) => Array.from(unpack(config.recorded.factors), (factor) => factor * config.recorded.rates[k]),
    options: (now) => ({ factors: shapeFactors(now), evaluations: config.evaluations }),
    sweepOptions: (now) => ({ factors: shapeFactors(now), evaluations: 1 }),
  });
  function onControl() {
    runs.soon();
  }
  runs.begin();
  return frame.life.end;
}

export default { render };
