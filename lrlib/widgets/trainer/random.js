// The streams of lrlib.streams, and torch's own random numbers: the Mersenne twister (Matsumoto and Nishimura 1998), seeded and read as torch's CPU generator does.
// So a run in the page starts from the weights, and sees the minibatches, that Python gives the same seed.

export function makeGenerator(seed) {
  const state = new Uint32Array(624);
  state[0] = seed >>> 0;
  for (let i = 1; i < 624; i++) {
    const previous = state[i - 1] ^ (state[i - 1] >>> 30);
    state[i] = (Math.imul(1812433253, previous) + i) >>> 0;
  }
  let next = 624;
  const refill = () => {
    for (let i = 0; i < 624; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
      state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    next = 0;
  };
  // 32 random bits
  return () => {
    if (next === 624) refill();
    let y = state[next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

// torch.randperm(n)
export function permutation(n, generator) {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = 0; i < n - 1; i++) {
    const j = i + (generator() % (n - i));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// numpy's SeedSequence(seed, spawn_key=…).generate_state(1): all arithmetic modulo 2³².
function seedSequence(seed, spawnKey) {
  const pool = new Uint32Array(4);
  let constant = 0x43b0d7e5;
  const hashed = (value) => {
    value = (value ^ constant) >>> 0;
    constant = Math.imul(constant, 0x931e8875);
    value = Math.imul(value, constant) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  const mixed = (x, y) => {
    const value = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  for (let i = 0; i < 4; i++) pool[i] = hashed(i ? 0 : seed);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mixed(pool[to], hashed(pool[from]));
  }
  for (const word of spawnKey) for (let to = 0; to < 4; to++) pool[to] = mixed(pool[to], hashed(word));
  const first = Math.imul((pool[0] ^ 0x8b51f9dd) >>> 0, Math.imul(0x8b51f9dd, 0x58f38ded)) >>> 0;
  return (first ^ (first >>> 16)) >>> 0;
}

// lrlib.streams.stream_key: what seeds the generator of one use of randomness
export function streamKey(use, seed, ...numbers) {
  return seedSequence(seed, [...new TextEncoder().encode(use), ...numbers]);
}

// lrlib.tasks.batch_order: (steps × batchSize) indices, one permutation an epoch, a short last batch dropped
export function batchOrder(examples, batchSize, steps, seed) {
  const order = new Int32Array(steps * batchSize);
  if (batchSize === examples) return order.map((_, k) => k % examples);
  const perEpoch = Math.floor(examples / batchSize) * batchSize;
  for (let filled = 0, epoch = 0; filled < order.length; filled += perEpoch, epoch++) {
    const whole = permutation(examples, makeGenerator(streamKey("order", seed, epoch)));
    order.set(whole.subarray(0, Math.min(perEpoch, order.length - filled)), filled);
  }
  return order;
}

// Initial parameters: tensors drawn one after another by uniform_(-bound, bound) in float32, then multiplied by gain;
// layout = [[size, bound, gain?], …].
export function uniformParameters(layout, seed) {
  const generator = makeGenerator(streamKey("weights", seed));
  const values = new Float64Array(layout.reduce((sum, [size]) => sum + size, 0));
  let k = 0;
  for (const [size, bound, gain = 1] of layout) {
    const low = Math.fround(-bound);
    const width = Math.fround(Math.fround(bound) - low);
    for (let i = 0; i < size; i++) values[k++] = Math.fround(Math.fround(((generator() & 0xffffff) / 0x1000000) * width + low) * Math.fround(gain));
  }
  return values;
}
