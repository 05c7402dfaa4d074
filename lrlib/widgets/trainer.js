// Trains a task's network in the browser, off the main thread: the newest request wins, curves are streamed.
import { unpack, unpackBytes } from "./packing.js";
import { batchOrder, uniformParameters } from "./random.js";
import { makeDescent, programLibrary } from "./wasm_runner.js";

const PATIENCE = 60; // ms that a run may take before a newer request stops it: a slider dragged on shows curves, not stubs
const CHUNK = 14; // ms of work between two messages: one for each frame on screen, or nearly

// Lets messages in. A message to oneself takes its turn at once, where browsers hold timers back for 4 ms.
const bell = new MessageChannel();
const waiting = [];
bell.port1.onmessage = () => waiting.shift()();
const pause = () => new Promise((resolve) => {
  waiting.push(resolve);
  bell.port2.postMessage(0);
});

// A function that remembers its last result, for as long as its arguments stay the same.
function remembering(work) {
  let key = null;
  let value;
  return (...given) => {
    const next = JSON.stringify(given);
    if (next !== key) [key, value] = [next, work(...given)];
    return value;
  };
}

function median(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// Trainer of {programs, tasks, data, schedules}: train(settings, rate, {progress, cancelled}) -> record, or null if cancelled.
export function makeTrainer({ programs, tasks, data, schedules }) {
  const program = programLibrary(programs);
  const filled = new Set();
  const orderOf = remembering(batchOrder);
  const initialOf = remembering(uniformParameters);

  async function withData(key, task, part) {
    const loaded = await program(key);
    if (!filled.has(key)) {
      const { inputs, palette, targets } = data[tasks[task].data][part];
      const values = unpack(palette);
      loaded.ports.inputs.set(Float64Array.from(await unpackBytes(inputs), (i) => values[i]));
      loaded.ports.targets.set(await unpackBytes(targets));
      filled.add(key);
    }
    return loaded;
  }

  return async function train(settings, rate, { progress, cancelled }) {
    const { task, rule, schedule, batch_size: batchSize, steps, seed } = settings;
    const gradient = await withData(`gradient:${task}:${batchSize}`, task, "train");
    const evaluation = await withData(`evaluation:${task}`, task, "validation");
    const ruleProgram = await program(`rule:${task}:${rule}`);
    const { layout } = tasks[task];
    const descent = makeDescent(gradient, ruleProgram, { params: initialOf(layout, seed) });
    const examples = gradient.ports.targets.length;
    const order = orderOf(examples, batchSize, steps, seed);
    const factors = unpack(schedules[schedule][steps]);
    const every = Math.max(1, Math.floor(steps / 10));
    const record = { rate, loss: [], ratio: [], evalSteps: [], validation: [], done: false };
    const evaluate = (step) => {
      evaluation.ports.params.set(descent.params);
      evaluation.run();
      record.evalSteps.push(step);
      record.validation.push(evaluation.ports.loss[0]);
    };
    evaluate(0);
    const begun = performance.now();
    let since = begun;
    for (let t = 0; t < steps; t++) {
      gradient.ports.indices.set(order.subarray(t * batchSize, (t + 1) * batchSize));
      record.loss.push(descent.look());
      descent.move(rate * factors[t]);
      record.ratio.push(median(descent.ratios));
      if ((t + 1) % every === 0 || t + 1 === steps) evaluate(t + 1);
      if (performance.now() - since > CHUNK && t + 1 < steps) {
        progress?.(record);
        await pause();
        since = performance.now();
        if (since - begun > PATIENCE && cancelled()) return null;
      }
    }
    record.done = true;
    return record;
  };
}

// Answers requests {id, settings, rates, single} one after another, since all runs share the programs' memory; a newer
// request stops the one under way, and those between the two fall through.
export function makeService(config, post) {
  const train = makeTrainer(config);
  let newest = 0;
  let turn = Promise.resolve();

  async function answer({ id, settings, rates, single }) {
    const cancelled = () => newest !== id;
    const records = [];
    for (const rate of rates) {
      if (cancelled()) return;
      await pause(); // hear of newer requests
      const progress = single ? (record) => post({ id, settings, records: [record] }) : null;
      const record = cancelled() ? null : await train(settings, rate, { progress, cancelled });
      if (!record) return;
      records.push(record);
    }
    post({ id, settings, records, finished: true });
  }

  return (request) => {
    newest = request.id;
    turn = turn
      .then(() => answer(request))
      .catch((error) => post({ id: request.id, settings: request.settings, failed: String(error.message ?? error) }));
  };
}

// The same service on another thread where there can be one, else on this one, in pieces.
export function startService(config, receive) {
  let local = null;
  const fallBack = () => (local ??= makeService(config, receive));
  let worker = null;
  let last = null;
  try {
    worker = new Worker(import.meta.url, { type: "module" });
    worker.onmessage = ({ data }) => receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      worker = null;
      if (last) fallBack()(last);
    };
    worker.postMessage({ config });
  } catch {
    worker = null;
  }
  return (request) => {
    last = request;
    if (worker) worker.postMessage(request);
    else fallBack()(request);
  };
}

// This very module, loaded as a worker:
if (typeof document === "undefined" && typeof self === "object") {
  let service = null;
  self.onmessage = ({ data }) => {
    if (data.config) service = makeService(data.config, (answer) => self.postMessage(answer));
    else service(data);
  };
}
