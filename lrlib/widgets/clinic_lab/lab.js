// The clinic lab: a run without a label, a prescription, and what it does; all of it trained here.
import { doctor } from "./doctor.js";
import { findingsList, lossAxis } from "./findings.js";
import { Chart, readable } from "../drawing/drawing.js";
import { html, keepKeys, makeLife, rich } from "../hosting/dom.js";
import { unpack } from "../hosting/packing.js";
import { startService } from "../trainer/trainer.js";
import { canCompute, divergedAt } from "../trainer/wasm_runner.js";

const HELPS = 0.05; // of a log gain, as in the doctor's benchmark, which cuts gains at 1, too
const MOST = 1;
let clinicCount = 0;

function render({ model, el }) {
  const config = model.get("config");
  const { patients, prescriptions, steps, threshold } = config;
  const id = `lrlab-clinic-${++clinicCount}`;
  const life = makeLife();
  const live = canCompute();
  el.classList.add("lrlab", "lrlab-clinic");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Clinic lab");
  keepKeys(el, life);
  const charts = html("div", { class: "lrlab-charts" });
  const choices = prescriptions.map(({ label, remedy }) => html("label", {}, html("input", { type: "radio", name: id, value: remedy }), html("span", {}, label)));
  const form = html("fieldset", {}, html("legend", {}, "Your prescription"), html("div", { class: "lrlab-choices" }, ...choices));
  const commit = html("button", { type: "button", disabled: true }, "Prescribe");
  const onward = html("button", { type: "button", hidden: true }, "Next patient");
  const status = html("p", { class: "lrlab-status", role: "status", "aria-live": "polite" });
  const told = html("div", { class: "lrlab-told" });
  const tally = html("table", { class: "lrlab-tally", hidden: true });
  el.append(html("p", { class: "lrlab-hint" }, ...rich(config.hint)), charts, form, html("div", { class: "lrlab-foot" }, commit, onward), status, told, tally);
  const curves = new Chart(charts, life, { height: 300, label: "Losses of the run against the step", right: 92 });
  const rates = new Chart(charts, life, { height: 300, label: "The rate against the step, over the peak that it had", right: 16 });
  const inputs = choices.map((label) => label.firstChild);

  // --- training -----------------------------------------------------------------------------------------------------
  const waiting = new Map(); // by a request's number: what to do with its answer
  let count = 0;
  const programs = Object.fromEntries(Object.entries(config.programs).map(([name, k]) => [name, config.distinct[k]]));
  const request = live ? startService({ ...config.training, programs }, receive, life) : null;

  function receive({ id: number, records, finished, failed }) {
    const ask = waiting.get(number);
    if (!ask || !(finished || failed)) return;
    waiting.delete(number);
    if (failed) ask.reject(new Error(failed));
    else ask.resolve(records[0]);
  }

  // The run that a prescription makes of a patient's; one at a time, since a newer request ends the one before.
  function train(patient, { factor = 1, schedule = null, decayed = false, task = null } = {}) {
    const factors = unpack(config.factors[schedule ?? patient.schedule]);
    const rate = patient.learning_rate * factor;
    const rule = decayed ? config.decayed[patient.rule] : patient.rule;
    const settings = { task: task ?? patient.task, rule, schedule: "", batch_size: config.batch_size, steps, seed: config.seed };
    return new Promise((resolve, reject) => {
      waiting.set(++count, { resolve, reject });
      request({ id: count, settings, rates: [rate], single: true, factors, evaluations: config.evaluations });
    }).then((record) => runOf(record, rate, factors));
  }

  function runOf({ loss, validation, evalSteps }, rate, factors) {
    const bad = divergedAt(loss, threshold);
    const last = validation.at(-1);
    return { loss, validation, evalSteps, rates: Array.from(factors, (f) => f * rate), bad, final: bad < 0 && Number.isFinite(last) ? last : Infinity };
  }

  // --- the present patient ------------------------------------------------------------------------------------------
  let place = 0;
  let run = null; // as it was
  let diagnosis = null;
  let treated = []; // [{run, label, style}]
  const score = { reader: [], doctor: [] };

  function examine(next) {
    run = next;
    treated = [];
    diagnosis = doctor.diagnose({ loss: run.loss, validation_loss: run.validation, validation_steps: run.evalSteps, rates: run.rates });
    told.replaceChildren();
    onward.hidden = true;
    inputs.forEach((input, k) => Object.assign(input, { checked: false, disabled: !live || prescriptions[k].task === patients[place].task }));
    commit.hidden = false;
    commit.disabled = true;
    Object.assign(el.dataset, { patient: String(place), final: String(run.final), told: "false" });
    paint();
  }

  const endOf = ({ final, bad }) => (Number.isFinite(final) ? `ends at a validation loss of ${readable(final)}` : `diverges${bad >= 0 ? ` at step ${bad}` : ""}`);
  const gainOf = (before, after) => {
    if (before === after) return 0;
    const gain = Math.log(before / after);
    return Number.isNaN(gain) ? 0 : Math.min(MOST, Math.max(-MOST, gain));
  };
  const verdict = (gain) => (gain > HELPS ? "it helped" : gain < -HELPS ? "it harmed" : "it changed little");

  // What comes of a prescription: {final, run?}; to stop at the best point is to know it, which takes hindsight.
  async function carryOut({ remedy, ...changes }) {
    if (remedy === "nothing") return { final: run.final };
    if (remedy === "stop") return { final: Math.min(run.final, ...run.validation.filter((v) => Number.isFinite(v) && run.bad < 0)) };
    const made = await train(patients[place], changes);
    return { final: made.final, run: made };
  }

  async function prescribe() {
    const mine = prescriptions.find(({ remedy }) => inputs.some((input) => input.checked && input.value === remedy));
    const theirs = prescriptions.find(({ remedy }) => remedy === diagnosis.remedy) ?? prescriptions.find(({ remedy }) => remedy === "nothing");
    commit.disabled = true;
    for (const input of inputs) input.disabled = true;
    status.textContent = "Training …";
    const begun = performance.now();
    const own = await carryOut(mine);
    el.dataset.waited = String(performance.now() - begun);
    const other = theirs === mine ? own : await carryOut(theirs);
    if (life.over) return;
    treated = [own.run && { run: own.run, label: theirs === mine ? "both" : "yours", style: "" }, theirs !== mine && other.run && { run: other.run, label: "doctor’s", style: "doctors" }].filter(Boolean);
    const gains = { reader: gainOf(run.final, own.final), doctor: gainOf(run.final, other.final) };
    score.reader.push(gains.reader);
    score.doctor.push(gains.doctor);
    tell({ mine, theirs, own, other, gains });
    paint();
  }

  function tell({ mine, theirs, own, other, gains }) {
    const { task, rule, schedule, learning_rate: rate } = patients[place];
    const signed = (gain) => `${gain < 0 ? "−" : "+"}${Math.abs(gain).toFixed(2)}`;
    const shown = (loss) => (Number.isFinite(loss) ? readable(loss) : "divergence");
    const outcome = ({ final }, gain) => `the final validation loss went from ${shown(run.final)} to ${shown(final)}, log gain ${signed(gain)}: ${verdict(gain)}.`;
    const hindsight = mine.remedy === "stop" ? " (The best point is known with hindsight.)" : "";
    status.textContent = `You, ${mine.label}: ${outcome(own, gains.reader)}${hindsight}`;
    const advised = !diagnosis.remedy ? "nothing."
      : theirs.remedy !== diagnosis.remedy ? `“${diagnosis.remedy}”, which cannot be carried out here.`
        : theirs === mine ? `“${diagnosis.remedy}”, too.` : `“${diagnosis.remedy}”: ${outcome(other, gains.doctor)}`;
    told.replaceChildren(
      html("p", {}, `The doctor had advised ${advised} Of the same curves it says:`),
      ...findingsList(diagnosis),
      html("p", { class: "lrlab-seen" }, `The run: ${task}, ${rule}, peak rate ${readable(rate)}, ${schedule}, ${steps} steps of ${config.batch_size} examples.`),
    );
    const row = (who, values) => html("tr", {}, html("th", { scope: "row" }, who), ...values.map((value) => html("td", {}, value)));
    const counts = (values) => {
      const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
      return [values.length, values.filter((v) => v > HELPS).length, values.filter((v) => v < -HELPS).length, signed(mean)].map(String);
    };
    const head = ["", "runs", "helped", "harmed", "mean log gain"].map((text) => html("th", { scope: "col" }, text));
    tally.replaceChildren(html("thead", {}, html("tr", {}, ...head)), html("tbody", {},
      row("You", counts(score.reader)), row("The doctor", counts(score.doctor)), row("Always nothing", counts(score.reader.map(() => 0)))));
    tally.hidden = false;
    commit.hidden = true;
    onward.hidden = false;
    onward.focus({ preventScroll: true });
    Object.assign(el.dataset, { told: "true", mine: mine.remedy, gain: String(gains.reader), theirs: theirs.remedy, doctorGain: String(gains.doctor), treated: String(own.final) });
  }

  function paint() {
    const at = (values) => Array.from(values, (_, k) => k);
    const upTo = ({ loss, bad }) => (bad < 0 ? loss : loss.slice(0, bad + 1));
    const held = ({ validation, evalSteps, bad }) => (bad < 0 ? [evalSteps, validation] : [evalSteps.filter((s) => s <= bad), validation.filter((_, k) => evalSteps[k] <= bad)]);
    const all = [run, ...treated.map((one) => one.run)];
    const y = lossAxis([held(run)[1], upTo(run), ...treated.map((one) => held(one.run)[1])], "loss", 10);
    const before = treated.length > 0;
    const [xs, ys] = held(run);
    const marks = [
      { kind: "line", style: before ? "ghost" : "faint", xs: at(upTo(run)), ys: upTo(run), label: before ? undefined : "minibatch", name: "loss" },
      { kind: "line", style: before ? "before" : "", xs, ys, label: before ? "as it was" : "validation", name: "validation" },
      ...treated.map((one) => ({ kind: "line", style: one.style, xs: held(one.run)[0], ys: held(one.run)[1], label: one.label, name: one.label === "doctor’s" ? "doctors" : "yours" })),
      ...all.filter(({ bad }) => bad >= 0).map(({ bad, loss }) => ({ kind: "cross", x: bad, y: loss[bad], label: `step ${bad}` })),
    ];
    curves.draw({
      x: { domain: [0, steps], label: "step" }, y, marks,
      readout(place_) {
        const near = run.evalSteps.reduce((best, s, k) => (Math.abs(s - place_) < Math.abs(run.evalSteps[best] - place_) ? k : best), 0);
        return { x: run.evalSteps[near], text: `step ${run.evalSteps[near]}: ${all.map(({ validation }) => readable(validation[near])).join(", ")}` };
      },
    });
    const share = (one) => one.rates.map((rate) => rate / patients[place].learning_rate);
    rates.draw({
      x: { domain: [0, steps], label: "step", most: 3 }, y: { domain: [0, 1.05 * Math.max(...all.flatMap(share))], label: "rate, over the peak that it had" },
      marks: [
        ...treated.map((one) => ({ kind: "line", style: one.style, xs: at(one.run.rates), ys: share(one.run) })),
        { kind: "line", style: before ? "before" : "", xs: at(run.rates), ys: share(run), name: "rates" },
      ],
    });
  }

  async function admit() {
    place = (place + 1) % patients.length;
    onward.disabled = true;
    status.textContent = "The next run is being trained …";
    const next = await train(patients[place]);
    if (life.over) return;
    onward.disabled = false;
    examine(next);
    status.textContent = `Run ${place + 1} of ${patients.length} ${endOf(run)}. Trained in this browser.`;
    inputs[0].focus({ preventScroll: true });
  }

  const failing = (work) => () => work().catch((error) => {
    commit.disabled = onward.disabled = false;
    status.textContent = `Could not train in this browser: ${error.message}`;
  });
  life.listen(form, "change", () => (commit.disabled = !live));
  life.listen(commit, "click", failing(prescribe));
  life.listen(onward, "click", failing(admit));
  const { recorded } = config;
  const first = { loss: Array.from(unpack(recorded.loss)), validation: Array.from(unpack(recorded.validation)), evalSteps: recorded.evalSteps };
  examine(runOf(first, patients[0].learning_rate, unpack(config.factors[patients[0].schedule])));
  status.textContent = live ? `Run 1 of ${patients.length} ${endOf(run)}. Recorded.` : "Recorded. This browser lacks WebAssembly, so nothing can be prescribed.";
  if (live) {
    const warm = () => count || request({ warm: true, settings: { ...patients[0], batch_size: config.batch_size, steps, seed: config.seed }, factors: unpack(config.factors[patients[0].schedule]), evaluations: config.evaluations });
    for (const name of ["pointerenter", "focusin"]) life.listen(el, name, warm, { once: true });
  }
  return life.end;
}

export default { render };
