// Runs what lrlib._compiler compiled: a gradient (of a surface or a task) and an update rule, taken together step by step.
import { unpackBytes } from "../hosting/packing.js";

const ELEMENTS = {
  float64: Float64Array, float32: Float32Array, int32: Int32Array, bool: Uint8Array, int64: BigInt64Array,
};

export const canCompute = () => typeof WebAssembly === "object" && typeof DecompressionStream === "function";

// One program of one step: {ports: {name: typed array over its memory}, run()}.
export async function loadProgram({ ports, wasm }) {
  const { instance } = await WebAssembly.instantiate(await unpackBytes(wasm));
  const { memory, reserve, ptr, train } = instance.exports;
  if (!reserve(1)) throw new Error("There is not enough memory for this program.");
  const views = {};
  for (const { index, name, shape, dtype } of ports) {
    views[name] = new ELEMENTS[dtype](memory.buffer, ptr(index), shape.reduce((size, n) => size * n, 1));
  }
  return {
    ports: views,
    run() {
      if (train(0, 1) !== -1) throw new Error("A program met an index out of range.");
    },
  };
}

// Loads each program once, when first asked for; one that failed is loaded anew when it is asked for again.
export function programLibrary(packed) {
  const loading = new Map();
  return (name) => {
    if (!loading.has(name)) {
      const program = loadProgram(packed[name]);
      loading.set(name, program);
      program.catch(() => loading.delete(name));
    }
    return loading.get(name);
  };
}

// A descent: the gradient's parameters and the rule's are one vector; a rule may be longer than the gradient (padded by zeros).
export function makeDescent(gradient, rule, { params, momentum }) {
  const from = gradient.ports;
  const to = rule.ports;
  for (const [name, view] of Object.entries(to)) if (name.startsWith("state:")) view.fill(0);
  to.params.fill(0);
  to.params.set(params);
  to.gradient.fill(0);
  if (to.momentum) to.momentum[0] = momentum;
  const here = to.params.subarray(0, from.params.length);
  return {
    params: here,
    ratios: to.update_ratio,
    // The loss where the descent stands; the gradient there is ready for move().
    look() {
      from.params.set(here);
      gradient.run();
      return from.loss[0];
    },
    move(rate) {
      to.gradient.set(from.gradient);
      to.learning_rate[0] = rate;
      if (to.loss) to.loss[0] = from.loss[0];
      rule.run();
    },
  };
}

// The first step at which a run counts as diverged, as lrlib.training.first_divergence says it; -1 if none.
export function divergedAt(losses, threshold) {
  const limit = threshold * Math.max(1e-12, Math.abs(losses[0]));
  return losses.findIndex((loss) => !Number.isFinite(loss) || loss > limit);
}
