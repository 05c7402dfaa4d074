// The closed forms of schedule_shapes.py: what multiplies the peak rate at step t of a cycle of n updates that ends at floor.
const LOWEST_END = 0.01; // where a decay that never reaches zero ends if it is asked to end lower
const LAST_PART = 5; // of a hold, one fifth decays

const endOf = (floor) => Math.max(floor, LOWEST_END);
const between = (floor, left) => floor + (1 - floor) * left;

const DECAYS = {
  Constant: () => 1,
  "Time-based (inverse time)": (t, n, floor) => 1 / (1 + ((1 / endOf(floor) - 1) * t) / n),
  Step: (t, n, floor) => Math.sqrt(endOf(floor)) ** Math.floor(t / Math.ceil(n / 3)),
  Exponential: (t, n, floor) => (endOf(floor) ** (1 / n)) ** t,
  "Polynomial (square)": (t, n, floor) => between(floor, (1 - t / n) ** 2),
  "Linear to zero": (t, n, floor) => between(floor, 1 - t / n),
  Cosine: (t, n, floor) => between(floor, (1 + Math.cos((Math.PI * t) / n)) / 2),
  "Hold, then linear": (t, n, floor) => {
    const last = Math.ceil(n / LAST_PART);
    return between(floor, t <= n - last ? 1 : 1 - (t - n + last) / last);
  },
};

// All factors of a schedule: linear warm-up as if from nothing, then the decay so many times, cut at whole steps.
export function shapeFactors({ decay, steps, warmup, cycles, floor }) {
  const rising = Math.floor(warmup * steps + 0.5);
  const left = steps - rising;
  const factors = new Float64Array(steps);
  const first = 1 / (rising + 1);
  for (let t = 0; t < rising; t++) factors[t] = first + (1 - first) * (t / rising);
  for (let i = 0; i < cycles; i++) {
    const [start, end] = [Math.floor((i * left) / cycles), Math.floor(((i + 1) * left) / cycles)];
    for (let t = 0; t < end - start; t++) factors[rising + start + t] = DECAYS[decay](t, end - start, floor);
  }
  return factors;
}

// A decay's name where there is little room.
export const SHORT_NAMES = {
  Constant: "constant",
  "Time-based (inverse time)": "time-based",
  Step: "step",
  Exponential: "exponential",
  "Polynomial (square)": "square",
  "Linear to zero": "linear",
  Cosine: "cosine",
  "Hold, then linear": "hold, linear",
};
