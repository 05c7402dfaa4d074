// The adaptive lab: several rules at one network, each at its own rate; a move trains that rule anew.
import { paintLosses, paintRates, paintSpread, seenOf, spreadNear, tellUpdate } from "./paint.js";
import { html } from "../hosting/dom.js";
import { rateColour, readable, svg } from "../drawing/drawing.js";
import { IN_BROWSER, ONLY_RECORDED, RECORDED, byKernel, makeFrame, makeGhosts, oncePerFrame, watchKernel } from "../hosting/lab.js";
import { unpack } from "../hosting/packing.js";
import { startService } from "../trainer/trainer.js";
import { canCompute } from "../trainer/wasm_runner.js";

// Rows of a packed table, from the first of a block on.
function rowsOf(packed, width, first = 0, count = Infinity) {
  const values = unpack(packed);
  const last = Math.min(values.length / width, first + count);
  return Array.from({ length: last - first }, (_, i) => Array.from(values.subarray((first + i) * width, (first + i + 1) * width)));
}

function render({ model, el }) {
  const config = model.get("config");
  const { rules, steps, threshold } = config;
  const host = model.get("host");
  const live = host === "page" && canCompute();
  const { minimum, maximum } = config.controls.find(({ name }) => name.startsWith("rate_"));
  const frame = makeFrame({ el, config, host, label: "Adaptive lab", changed: onControl });
  el.classList.add("lrlab-adaptive");
  const losses = frame.chart({ height: 330, label: "Validation loss against the step, by rule", right: 118 });
  const spreads = frame.chart({ height: 330, label: "Spread of the effective rates over the parameters, by rule", left: 16, right: 26 });
  const rates = frame.chart({ height: 230, label: "Effective rates against the step, by rule", right: 118 });
  const table = html("table", { class: "lrlab-readings" });
  frame.charts.after(table, html("p", { class: "lrlab-note" }, config.note));
  const ghosts = makeGhosts(frame, paint);
  let dragged = null; // beside a kernel: the update that a picture was dragged to, {step, from: where the slider stood}
  function settings() {
    const now = frame.controls ? frame.controls.values() : model.get("settings");
    return dragged && dragged.from === now.step ? { ...now, step: dragged.step } : now;
  }
  function scrub(place) {
    const step = Math.min(steps, Math.max(1, Math.round(place)));
    if (frame.controls) frame.controls.control("step").set(step);
    else dragged = { step, from: model.get("settings").step };
    onControl("step");
  }
  const colourOf = (rate) => rateColour(rate, [minimum, maximum]);
  const rows = frame.controls ? makeRows() : [];
  let runs = new Map(); // by rule: {record, asked: {rate, task, seed}, source}
  let moved = null; // the rule whose rate was moved last: it trains first

  // Each rule's check box, its line and its slider in one row; all sliders over the scale below the last.
  function makeRows() {
    const table = html("div", { class: "lrlab-rules", role: "group", "aria-label": "Rules and their learning rates" });
    frame.controls.root.before(table);
    return rules.map(({ name, dash }) => {
      const [tick, slider] = [`show_${name}`, `rate_${name}`].map((control) => frame.controls.control(control).root);
      const line = svg("path", { class: "lrlab-line", d: "M1 4H37", "stroke-dasharray": dash });
      tick.querySelector("label").append(svg("svg", { class: "lrlab-swatch", "aria-hidden": "true" }, line));
      const row = html("div", { class: "lrlab-rule-row" }, tick, slider);
      table.append(row);
      return { name, row, inputs: slider.querySelectorAll("input") };
    });
  }
  function dressRows(now) {
    for (const { name, row, inputs } of rows) {
      row.style.setProperty("--lrlab-own", colourOf(now[`rate_${name}`]));
      row.classList.toggle("off", !now[`show_${name}`]);
      for (const input of inputs) input.disabled = !now[`show_${name}`];
    }
  }

  const askedOf = (now, name) => ({ rate: now[`rate_${name}`], task: now.task, seed: now.seed });
  const same = (a, b) => a.rate === b.rate && a.task === b.task && a.seed === b.seed;
  const shownRules = (now) => rules.filter(({ name }) => now[`show_${name}`]);
  const current = (now, name) => {
    const run = runs.get(name);
    return Boolean(run) && same(run.asked, askedOf(now, name)) && run.record.done && (!live || run.source === IN_BROWSER);
  };

  function recordedRun(name, now) {
    const { rates: at, loss, ratio, validation, evalSteps, spread, spreadSteps } = config.recorded.runs[name];
    const gap = (rate) => Math.abs(Math.log(rate / now[`rate_${name}`]));
    const k = at.reduce((best, rate, i) => (gap(rate) < gap(at[best]) ? i : best), 0);
    const record = {
      loss: rowsOf(loss, steps, k, 1)[0], ratio: rowsOf(ratio, steps, k, 1)[0], validation: rowsOf(validation, evalSteps.length, k, 1)[0], evalSteps,
      spread: rowsOf(spread, 6, k * spreadSteps.length, spreadSteps.length), spreadSteps, done: true,
    };
    return { record, asked: { ...askedOf(config.recorded.settings, name), rate: at[k] }, source: live ? RECORDED : ONLY_RECORDED };
  }

  function paint() {
    const now = settings();
    dressRows(now);
    const drawn = shownRules(now).filter(({ name }) => runs.has(name)).map((rule) => {
      const { record, asked, source } = runs.get(rule.name);
      const stale = asked.task !== now.task || asked.seed !== now.seed;
      return { ...rule, record, source, stale, rate: asked.rate, colour: colourOf(asked.rate), seen: seenOf(record, threshold) };
    });
    for (const { name, label, rate, dash, seen, record, stale } of drawn) {
      if (record.done && !stale) ghosts.offer({ label: `${label} ${readable(rate)}`, rate, xs: seen.xs, ys: seen.ys, dash }, name);
    }
    paintLosses(losses, { runs: drawn, ghosts: ghosts.list(), steps, step: now.step, scrub });
    paintSpread(spreads, { runs: drawn, step: now.step });
    paintRates(rates, { runs: drawn, steps, step: now.step, scrub });
    tellUpdate(table, { runs: drawn, step: now.step });
    say(now, drawn);
  }

  function say(now, drawn) {
    const sources = [...new Set(drawn.map(({ source }) => source))];
    const done = host === "page" ? !working : shownRules(now).every(({ name }) => current(now, name));
    const ended = drawn.filter(({ seen, record }) => seen.bad < 0 && record.done)
      .map(({ label, record }) => ({ label, loss: record.validation.at(-1) })).sort((a, b) => a.loss - b.loss);
    const lost = drawn.filter(({ seen }) => seen.bad >= 0).map(({ label, seen }) => `${label} diverged at step ${seen.bad}`);
    const parts = ended.map(({ label, loss }) => `${label} ${readable(loss)}`);
    const text = !drawn.length ? "Tick a rule to see it."
      : [...(parts.length ? [`validation loss after ${steps} steps: ${parts.join(", ")}`] : []), ...lost].join("; ") + ".";
    const source = !drawn.length ? "No rule" : sources.length > 1 ? "Some recorded, some trained in this browser" : sources[0];
    frame.say(source, text.charAt(0).toUpperCase() + text.slice(1));
    el.dataset.settings = JSON.stringify(now);
    el.dataset.done = String(done);
    el.dataset.runs = JSON.stringify(Object.fromEntries(drawn.map(({ name, record, rate, seen }) => [name, {
      rate, diverged: seen.bad, loss: String(record.loss.at(-1)), validation: record.validation.map(String), spread: spreadNear(record, now.step),
      at: [record.loss[now.step - 1], record.ratio[now.step - 1]].map(String),
    }])));
  }

  // One rule after another, the one that was moved first; a newer move stops what is under way.
  let count = 0;
  let working = null; // the newest request: {id, name, asked}
  let sent = []; // and those before it: while a slider is dragged, what they bring is shown too
  function receive({ id, records, finished, failed }) {
    if (failed) {
      frame.say("Could not train in this browser", `${failed} The recorded runs stay.`);
      return;
    }
    const job = sent.find((other) => other.id === id);
    if (!job) return; // a later one of this rule has been shown
    runs.set(job.name, { record: records[0], asked: job.asked, source: IN_BROWSER });
    sent = sent.filter((other) => other.name !== job.name || other.id > id || (other === job && !finished));
    if (finished && id === working?.id) {
      working = null;
      next();
    }
    paint();
  }
  const request = live ? startService(config.training, receive, frame.life) : null;
  const factors = new Float64Array(steps).fill(1);
  const plan = (rule, { task, seed, rate }) => ({
    settings: { task, seed, rule, batch_size: config.batch_size, steps, learning_rate: rate }, factors, evaluations: config.evaluations, spread: config.spread_at,
  });
  function next() {
    const now = settings();
    const waiting = shownRules(now).filter(({ name }) => !current(now, name)).map(({ name }) => name);
    if (!waiting.length) return;
    const name = waiting.includes(moved) ? moved : waiting[0];
    const asked = askedOf(now, name);
    if (working?.name === name && same(working.asked, asked)) return;
    working = { id: ++count, name, asked };
    sent.push(working);
    request({ id: count, ...plan(name, asked), rates: [asked.rate], single: true });
  }

  function update() {
    const now = settings();
    const first = runs.values().next().value?.asked;
    if (first && (first.task !== now.task || first.seed !== now.seed)) ghosts.clear();
    if (live) next();
    else if (host === "page") runs = new Map(rules.map(({ name }) => [name, recordedRun(name, now)]));
    paint();
  }
  const soon = oncePerFrame(update, frame.life);
  function onControl(name) {
    if (name.startsWith("rate_")) moved = name.slice("rate_".length);
    soon();
  }

  if (host === "page") {
    runs = new Map(rules.map(({ name }) => [name, recordedRun(name, settings())]));
    if (!live) frame.controls.only("step", ...rules.flatMap(({ name }) => [`show_${name}`, `rate_${name}`]));
    paint();
    const warm = () => {
      const rule = shownRules(settings()).at(-1);
      if (live && !count && rule) request({ warm: true, ...plan(rule.name, askedOf(settings(), rule.name)) });
    };
    for (const name of ["pointerenter", "focusin"]) frame.life.listen(el, name, warm, { once: true });
    return frame.life.end;
  }
  function fromKernel() {
    const { runs: trained = {}, problem } = model.get("result");
    if (problem) {
      frame.say("The kernel could not train", `${problem} The last curves stay.`);
      return;
    }
    for (const [name, { loss, ratio, validation, evalSteps, spread, done, asked, device }] of Object.entries(trained)) {
      const record = { loss: rowsOf(loss, 1).flat(), ratio: rowsOf(ratio, 1).flat(), validation: rowsOf(validation, 1).flat(), evalSteps, spread: rowsOf(spread, 6), done };
      runs.set(name, { record, asked, source: byKernel(device) });
    }
    paint();
  }
  watchKernel(model, frame);
  frame.life.follow(model, "change:result", oncePerFrame(fromKernel, frame.life));
  frame.life.follow(model, "change:settings", soon);
  fromKernel();
  return frame.life.end;
}

export default { render };
