// Trains a task's network in the browser, off the main thread: the newest request wins, curves are streamed.
import { unpack, unpackBytes } from "../hosting/packing.js";
import { startWorker } from "../hosting/worker.js";
import { batchOrder, uniformParameters } from "./random.js";
import { spreadOf } from "./spread.js";
import { makeDescent, programLibrary } from "./wasm_runner.js";

// A newer request stops a run after PATIENCE ms, unless it would be complete within WORTH_FINISHING: a slider that is
// dragged on shows curves, not stubs.
const PATIENCE = 60;
const WORTH_FINISHING = 200;
const CHUNK = 14; // ms of work between two looks at what was asked for meanwhile
const SHOW_EVERY = 20; // ms between two pictures of a run under way: drawing takes time from training where cores are few

// Lets messages in. A message to oneself takes its turn at once, where browsers hold timers back for 4 ms.
let bell = null; // made by the first pause: most views never train on their own thread
const waiting = [];
function pause() {
  if (!bell) {
    bell = new MessageChannel();
    bell.port1.onmessage = () => waiting.shift()();
  }
  return new Promise((resolve) => {
    waiting.push(resolve);
    bell.port2.postMessage(0);
  });
}

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

// Trainer of {programs, tasks, data, schedules}: train(settings, rate, options) -> record, or null if cancelled. Options are
// {progress, cancelled, evaluations, patience?, factors?, spread?}: how often the run is evaluated on its way; how many ms it goes
// on when it is no longer wanted; what multiplies the rate at each step, if it is none of the schedules by name; and at which
// quantiles to record how the effective rates spread.
export function makeTrainer({ programs, tasks, data, schedules = {} }) {
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

  return async function train(settings, rate, options) {
    const { progress, cancelled, patience = PATIENCE, factors: given, evaluations, spread = null } = options;
    const { task, rule, schedule, batch_size: batchSize, steps, seed } = settings;
    const gradient = await withData(`gradient:${task}:${batchSize}`, task, "train");
    const evaluation = await withData(`evaluation:${task}`, task, "validation");
    const ruleProgram = await program(`rule:${task}:${rule}`);
    const { layout } = tasks[task];
    const descent = makeDescent(gradient, ruleProgram, { params: initialOf(layout, seed) });
    const examples = gradient.ports.targets.length;
    const order = orderOf(examples, batchSize, steps, seed);
    const factors = given ?? unpack(schedules[schedule][steps]);
    const every = Math.max(1, Math.floor(steps / evaluations));
    const record = { rate, loss: [], used: [], ratio: [], evalSteps: [], validation: [], done: false };
    if (spread) record.spread = [];
    const evaluate = (step) => {
      evaluation.ports.params.set(descent.params);
      evaluation.run();
      record.evalSteps.push(step);
      record.validation.push(evaluation.ports.loss[0]);
    };
    evaluate(0);
    const begun = performance.now();
    let since = begun;
    let told = begun;
    for (let t = 0; t < steps; t++) {
      gradient.ports.indices.set(order.subarray(t * batchSize, (t + 1) * batchSize));
      record.loss.push(descent.look());
      descent.move(rate * factors[t]);
      record.used.push(ruleProgram.ports.learning_rate[0]);
      record.ratio.push(median(descent.ratios));
      if (spread) {
        const { effective_rate: rates } = ruleProgram.ports; // not every rule has one for each parameter
        record.spread.push(rates ? spreadOf(rates, spread) : Array(spread.length + 1).fill(NaN));
      }
      if ((t + 1) % every === 0 || t + 1 === steps) evaluate(t + 1);
      if (performance.now() - since > CHUNK && t + 1 < steps) {
        if (performance.now() - told > SHOW_EVERY) {
          progress?.(record);
          told = performance.now();
        }
        await pause();
        since = performance.now();
        const spent = since - begun;
        const hopeless = (spent * steps) / (t + 1) > WORTH_FINISHING;
        if (cancelled() && spent > patience && (hopeless || !patience)) return null;
      }
    }
    record.done = true;
    return record;
  };
}

// Answers requests {id, settings, rates, single, evaluations, factors?, spread?} one after another, since all runs share the
// programs' memory; a newer request stops the one under way, and those between the two fall through.
export function makeService(config, post) {
  const train = makeTrainer(config);
  let newest = 0;
  let turn = Promise.resolve();

  async function answer({ id, settings, rates, single, factors, evaluations, spread }) {
    const cancelled = () => newest !== id;
    const records = [];
    for (const rate of rates) {
      if (cancelled()) return;
      await pause(); // hear of newer requests
      const progress = single ? (record) => post({ id, settings, records: [record] }) : null;
      const record = cancelled() ? null : await train(settings, rate, { progress, cancelled, factors, evaluations, spread });
      if (!record) return;
      records.push(record);
    }
    post({ id, settings, records, finished: true });
  }

  // Programs run slowly until the browser has optimized them: a run that nobody sees gets them ready.
  function warm({ settings, factors, evaluations, spread }) {
    const cancelled = () => newest > 0;
    return cancelled() ? null : train(settings, settings.learning_rate, { cancelled, patience: 0, factors, evaluations, spread });
  }

  return (request) => {
    if (request.warm) {
      turn = turn.then(() => warm(request)).catch(() => null); // the first real request will tell what is wrong
      return;
    }
    newest = request.id;
    turn = turn
      .then(() => answer(request))
      .catch((error) => post({ id: request.id, settings: request.settings, failed: String(error.message ?? error) }));
  };
}

// The same service on another thread where there can be one, else on this one, in pieces; started by the first request, and
// ended with the view.
export function startService(config, receive, life) {
  let send = null;
  let last = null;
  let starting = null;
  const fallBack = () => {
    if (life.over) return;
    send = makeService(config, (answer) => life.over || receive(answer));
    life.owes(() => send({ id: Infinity, rates: [] })); // newer than all others: whatever still trains stops
    send(last);
  };
  async function start() {
    const { worker, url } = await startWorker();
    const end = () => {
      worker.terminate();
      URL.revokeObjectURL(url);
    };
    if (life.over) {
      end();
      return;
    }
    life.owes(end);
    worker.onmessage = ({ data }) => receive(data);
    worker.onerror = (event) => {
      event.preventDefault();
      fallBack();
    };
    worker.postMessage({ config });
    send = (request) => worker.postMessage(request);
    send(last);
  }
  return (request) => {
    last = request;
    if (send) send(request);
    else starting ??= start().catch(fallBack);
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
