// The log clinic: a log that is dropped here is read and diagnosed in the page; nothing of it is sent anywhere.
import { bytesOfFile, doctor } from "./doctor.js";
import { findingsList, lossAxis, sentenceList } from "./findings.js";
import { Chart, readable } from "../drawing/drawing.js";
import { html, keepKeys, makeLife, rich } from "../hosting/dom.js";
import { startWorker } from "../hosting/worker.js";

const DRAWN = 2000; // points of a line
const ROLES = { loss: "training loss", validation_loss: "validation loss", rate: "rate", step: "steps" };
const LONG = 1e6; // bytes; longer logs are read on another thread, so that the page goes on
let logCount = 0;

// What is found in a log, or {error}; and the names of its columns.
function readLog({ file, columns, turn }) {
  try {
    return { ...doctor.read(file, columns), names: doctor.names(), turn };
  } catch (error) {
    return { error: error.message, names: doctor.names(), turn };
  }
}

// readLog on another thread where there can be one, started by the first log that is long.
function makeReader(life) {
  let starting = null;
  async function start() {
    const { worker, url } = await startWorker();
    const end = () => {
      worker.terminate();
      URL.revokeObjectURL(url);
    };
    if (life.over) end();
    else life.owes(end);
    return worker;
  }
  async function elsewhere(asked) {
    starting ??= start();
    const worker = await starting;
    return new Promise((resolve, reject) => {
      const hear = ({ data }) => {
        if (data.turn !== asked.turn) return; // the answer to another question
        worker.removeEventListener("message", hear);
        resolve(data);
      };
      worker.addEventListener("message", hear);
      worker.onerror = (event) => {
        event.preventDefault();
        worker.removeEventListener("message", hear);
        reject(event);
      };
      worker.postMessage(asked);
    });
  }
  return async (asked) => (asked.file.bytes.length > LONG ? elsewhere(asked).catch(() => readLog(asked)) : readLog(asked));
}

// So many of the places 0 to before count, evenly spaced, the last one among them.
function thinnedPlaces(count) {
  const stride = Math.max(1, Math.ceil(count / DRAWN));
  const places = [];
  for (let k = (count - 1) % stride; k < count; k += stride) places.push(k);
  return places;
}

function render({ model, el }) {
  const config = model.get("config");
  const life = makeLife();
  const id = `lrlab-log-${++logCount}`;
  el.classList.add("lrlab", "lrlab-clinic", "lrlab-log");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Log clinic");
  keepKeys(el, life);
  const input = html("input", { type: "file", id, accept: ".csv,.tsv,.txt,.log,.json,.jsonl,.gz" });
  const example = html("button", { type: "button" }, "Read an example");
  const zone = html("div", { class: "lrlab-drop" }, html("label", { for: id }, ...rich(config.hint)), html("div", { class: "lrlab-foot" }, input, example));
  const status = html("p", { class: "lrlab-status", role: "status", "aria-live": "polite" });
  const columns = html("div", { class: "lrlab-columns", role: "group", "aria-label": "Columns", hidden: true });
  const charts = html("div", { class: "lrlab-charts", hidden: true });
  const told = html("div", { class: "lrlab-told" });
  el.append(zone, status, columns, charts, told);
  const losses = new Chart(charts, life, { height: 300, label: "Losses of the log", right: 74 });
  const rates = new Chart(charts, life, { height: 300, label: "The rate against the step", left: 70, right: 16 });
  let file = null; // {name, bytes}
  const selects = Object.fromEntries(Object.entries(ROLES).map(([role, label]) => {
    const select = html("select", { name: role, id: `${id}-${role}` });
    columns.append(html("div", { class: "lrlab-control" }, html("label", { for: select.id }, label), select));
    life.listen(select, "change", () => look());
    return [role, select];
  }));

  function fail(message) {
    status.replaceChildren(html("span", { class: "lrlab-trouble", role: "alert" }, message));
    told.replaceChildren();
    charts.hidden = true;
    Object.assign(el.dataset, { state: "failed" });
  }

  function offer(names) {
    for (const [role, select] of Object.entries(selects)) {
      const { value } = select;
      select.replaceChildren(html("option", { value: "" }, "as guessed"), ...names.map((name) => html("option", { value: name }, name)));
      select.value = names.includes(value) ? value : "";
    }
    columns.hidden = names.length === 0;
  }

  const read = makeReader(life);
  let looks = 0;
  async function look() {
    const chosen = Object.fromEntries(Object.entries(selects).map(([role, { value }]) => [role, value || null]));
    const turn = ++looks;
    const found = await read({ file, columns: chosen, turn });
    if (life.over || turn !== looks) return; // a later question is under way
    offer(found.names);
    if (found.error) fail(found.error);
    else show(found);
  }

  async function take(given) {
    status.textContent = `Reading ${given.name} …`;
    el.dataset.state = "reading";
    if (given.size > doctor.LARGEST) {
      columns.hidden = true;
      fail(`${given.name} is ${readable(given.size / 1e6)} MB; a page reads up to ${doctor.LARGEST / 1e6} MB. Larger ones: python -m lrlib diagnose PATH.`);
      return;
    }
    try {
      const bytes = await bytesOfFile(given);
      await new Promise((resolve) => setTimeout(resolve, 20)); // so that the line above is seen
      if (life.over) return;
      file = { name: given.name, bytes };
      for (const select of Object.values(selects)) select.value = "";
      await look();
    } catch (error) {
      columns.hidden = true;
      fail(error.message);
    }
  }

  function show({ curve, diagnosis }) {
    const { steps, loss, validation_steps: at, validation_loss: held, rates: used, unit, notes } = curve;
    const drawn = (xs, ys) => ((places) => [places.map((k) => xs[k]), places.map((k) => ys[k])])(thinnedPlaces(xs.length));
    const [x, y] = drawn(steps, loss);
    const [xv, yv] = held ? drawn(at, held) : [[], []];
    const ends = [Math.min(steps[0], at?.[0] ?? Infinity), Math.max(steps.at(-1), at?.at(-1) ?? -Infinity)];
    const axis = { domain: ends, label: unit };
    charts.hidden = false;
    losses.draw({
      x: axis, y: lossAxis([y, yv], "loss"),
      marks: [
        { kind: "line", style: held ? "faint" : "", xs: x, ys: y, label: "training", name: "loss", points: x.length < 3 },
        ...(held ? [{ kind: "line", xs: xv, ys: yv, label: "validation", name: "validation", points: xv.length < 3 }] : []),
      ],
      readout(place) {
        const near = x.reduce((best, v, k) => (Math.abs(v - place) < Math.abs(x[best] - place) ? k : best), 0);
        return { x: x[near], y: y[near], text: `${unit} ${readable(x[near], 6)}: ${readable(y[near])}` };
      },
    });
    rates.figure.hidden = !used;
    if (used) {
      const [xr, yr] = drawn(steps, used);
      rates.draw({ x: { ...axis, most: 3 }, y: { domain: [0, 1.06 * Math.max(...yr.filter(Number.isFinite), 1e-300)], label: "rate" }, marks: [{ kind: "line", xs: xr, ys: yr, name: "rates" }] });
    }
    status.textContent = `${file.name}: ${loss.length} training losses${held ? `, ${held.length} of validation` : ""}${used ? ", with rates" : ""}. Read in this page.`;
    told.replaceChildren(
      ...findingsList(diagnosis),
      ...sentenceList("How it was read:", notes),
      ...sentenceList("What could not be looked at:", diagnosis.missing),
    );
    Object.assign(el.dataset, { state: "read", report: diagnosis.report });
  }

  life.listen(input, "change", () => input.files.length && take(input.files[0]));
  life.listen(example, "click", () => take(new File([config.example], "example.csv")));
  for (const name of ["dragenter", "dragover"]) {
    life.listen(zone, name, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  life.listen(zone, "dragleave", () => zone.classList.remove("over"));
  life.listen(zone, "drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const [given] = event.dataTransfer.files;
    if (given) take(given);
    else fail("That was no file: drop the log itself, or choose it.");
  });
  return life.end;
}

// This very module, loaded as a worker:
if (typeof document === "undefined" && typeof self === "object") self.onmessage = ({ data }) => self.postMessage(readLog(data));

export default { render };
