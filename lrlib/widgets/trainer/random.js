// torch's own random numbers: the Mersenne twister (Matsumoto and Nishimura 1998), seeded and read as torch's CPU generator does.
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

// lrlib.tasks.batch_order: (steps × batchSize) indices, one permutation an epoch, a short last batch dropped
export function batchOrder(examples, batchSize, steps, seed) {
  const generator = makeGenerator(seed);
  const perEpoch = Math.floor(examples / batchSize) * batchSize;
  const order = new Int32Array(steps * batchSize);
  for (let filled = 0; filled < order.length; filled += perEpoch) {
    order.set(permutation(examples, generator).subarray(0, Math.min(perEpoch, order.length - filled)), filled);
  }
  return order;
}

// Initial parameters: tensors drawn one after another by uniform_(-bound, bound) in float32, then multiplied by gain;
// layout = [[size, bound, gain?], …].
export function uniformParameters(layout, seed) {
  const generator = makeGenerator(seed);
  const values = new Float64Array(layout.reduce((sum, [size]) => sum + size, 0));
  let k = 0;
  for (const [size, bound, gain = 1] of layout) {
    const low = Math.fround(-bound);
    const width = Math.fround(Math.fround(bound) - low);
    for (let i = 0; i < size; i++) values[k++] = Math.fround(Math.fround(((generator() & 0xffffff) / 0x1000000) * width + low) * Math.fround(gain));
  }
  return values;
}
