// The part of numpy that translated code uses: arrays of float64 or bool, of one or two dimensions, summed in numpy's own order.
import { python } from "./python.js";

export const numpy = (() => {
  const { Slice, Cells, list, inBulk } = python;

  const BINARY = {
    add: (a, b) => a + b, sub: (a, b) => a - b, mul: (a, b) => a * b, div: (a, b) => a / b,
    floordiv: (a, b) => Math.floor(a / b), mod: (a, b) => a - b * Math.floor(a / b), pow: (a, b) => a ** b,
    bitAnd: (a, b) => a & b, bitOr: (a, b) => a | b, abs: Math.abs,
    lt: (a, b) => a < b, gt: (a, b) => a > b, le: (a, b) => a <= b, ge: (a, b) => a >= b, eq: (a, b) => a === b, ne: (a, b) => a !== b,
    maximum: (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? NaN : Math.max(a, b)),
    minimum: (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? NaN : Math.min(a, b)),
  };
  const LOGICAL = new Set(["lt", "gt", "le", "ge", "eq", "ne"]);

  // The sum of data[from] to before data[from + count], in pairs as numpy adds: rounding is the same.
  function pairwise(data, from, count) {
    if (count < 8) {
      let sum = count ? data[from] : 0;
      for (let k = 1; k < count; k++) sum += data[from + k];
      return sum;
    }
    if (count > 128) {
      const half = (count >> 1) - ((count >> 1) % 8);
      return pairwise(data, from, half) + pairwise(data, from + half, count - half);
    }
    const r = Array.from(data.subarray(from, from + 8));
    let k = 8;
    for (; k < count - (count % 8); k += 8) for (let j = 0; j < 8; j++) r[j] += data[from + k + j];
    let sum = r[0] + r[1] + (r[2] + r[3]) + (r[4] + r[5] + (r[6] + r[7]));
    for (; k < count; k++) sum += data[from + k];
    return sum;
  }
  // Where the greatest (or least) is; a NaN is both.
  function extreme(data, better) {
    let best = 0;
    for (let k = 0; k < data.length; k++) {
      if (Number.isNaN(data[k])) return k;
      if (better(data[k], data[best])) best = k;
    }
    return best;
  }

  class NDArray {
    constructor(data, kind = "f", shape = [data.length]) {
      Object.assign(this, { data, kind, shape, flags: {} });
    }
    get dtype() {
      return { kind: this.kind };
    }
    get size() {
      return this.data.length;
    }
    get ndim() {
      return this.shape.length;
    }
    *[Symbol.iterator]() {
      for (let k = 0; k < this.shape[0]; k++) yield this.__getitem__(k);
    }
    __len__() {
      return this.shape[0];
    }
    __bool__() {
      if (this.size !== 1) throw python.ValueError("the truth of an array is not one");
      return Boolean(this.data[0]);
    }
    __contains__(value) {
      return this.data.includes(Number(value));
    }
    item(k) {
      return this.kind === "b" ? Boolean(this.data[k]) : this.data[k];
    }
    row(k) {
      const width = this.shape[1];
      return new NDArray(this.data.slice(k * width, (k + 1) * width), this.kind);
    }
    columns() {
      const [height, width] = this.shape;
      return Array.from({ length: width }, (_, j) => Float64Array.from({ length: height }, (_, i) => this.data[i * width + j]));
    }
    __binary__(name, other, swapped = false) {
      const work = BINARY[name];
      const b = inBulk(other) ? other : new NDArray(Float64Array.of(Number(other)), typeof other === "boolean" ? "b" : "f");
      const whole = this.size === 1 && b.size !== 1 ? b : b.size === 1 || this.ndim >= b.ndim ? this : b;
      const fits = (one) => one.size === 1 || one.size === whole.size || one.size === whole.shape.at(-1);
      if (!fits(this) || !fits(b)) throw python.ValueError(`shapes ${this.shape} and ${b.shape} do not go together`);
      const data = new Float64Array(whole.size);
      const [x, y] = swapped ? [b, this] : [this, b];
      if (x.size === y.size) for (let k = 0; k < data.length; k++) data[k] = work(x.data[k], y.data[k]);
      else for (let k = 0; k < data.length; k++) data[k] = work(x.data[k % x.size], y.data[k % y.size]);
      const logical = LOGICAL.has(name) || (name.startsWith("bit") && this.kind === "b" && b.kind === "b");
      return new NDArray(data, logical ? "b" : "f", whole.shape);
    }
    places(index) {
      if (index instanceof Slice) {
        const [first, count, step] = index.within(this.shape[0]);
        const found = new Int32Array(count);
        for (let k = 0; k < count; k++) found[k] = first + k * step;
        return found;
      }
      const chosen = array(index);
      if (chosen.kind !== "b") {
        const found = new Int32Array(chosen.data);
        for (let k = 0; k < found.length; k++) if (found[k] < 0) found[k] += this.shape[0];
        return found;
      }
      if (chosen.size !== this.shape[0]) throw python.ValueError("a mask of another length");
      const found = new Int32Array(chosen.data.reduce((sum, there) => sum + there, 0));
      for (let k = 0, n = 0; k < chosen.size; k++) if (chosen.data[k]) found[n++] = k;
      return found;
    }
    __getitem__(index) {
      if (Array.isArray(index) && index.nd) return this.part(index);
      if (typeof index === "number") {
        const k = index < 0 ? index + this.shape[0] : index;
        if (!(k >= 0 && k < this.shape[0])) throw python.KeyError(`index ${index} is out of range`);
        return this.ndim > 1 ? this.row(k) : this.item(k);
      }
      const places = this.places(index);
      const data = new Float64Array(places.length);
      for (let k = 0; k < data.length; k++) {
        if (!(places[k] >= 0 && places[k] < this.shape[0])) throw python.KeyError("an index is out of range");
        data[k] = this.data[places[k]];
      }
      return new NDArray(data, this.kind);
    }
    // [..., last] of one dimension, [:, mask] of two.
    part([first, last]) {
      if (first === python.Ellipsis && this.ndim === 1) return this.__getitem__(last);
      const columns = this.columns();
      const kept = [...new NDArray(new Float64Array(columns.length)).places(last)].map((j) => columns[j]);
      const data = Float64Array.from({ length: this.shape[0] * kept.length }, (_, k) => kept[k % kept.length][Math.floor(k / kept.length)]);
      return new NDArray(data, this.kind, [this.shape[0], kept.length]);
    }
    __setitem__(index, value) {
      const places = typeof index === "number" ? [index < 0 ? index + this.size : index] : this.places(index);
      places.forEach((place, k) => (this.data[place] = inBulk(value) ? value.data[value.size === 1 ? 0 : k] : Number(value)));
    }
    // Of all, or along an axis of two; work takes a typed array.
    along(axis, work, kind = "f") {
      if (this.ndim === 1 || axis === undefined) return kind === "b" ? Boolean(work(this.data)) : work(this.data);
      const parts = axis === 0 ? this.columns() : Array.from({ length: this.shape[0] }, (_, k) => this.row(k).data);
      return new NDArray(Float64Array.from(parts, work), kind);
    }
    sum({ axis } = {}) {
      return this.along(axis, axis === 0 ? (column) => column.reduce((sum, v) => sum + v) : (data) => pairwise(data, 0, data.length));
    }
    mean() {
      return this.sum() / this.size;
    }
    any() {
      return this.data.some((v) => v !== 0);
    }
    all({ axis } = {}) {
      return this.along(axis, (data) => data.every((v) => v !== 0), "b");
    }
    argmax() {
      return extreme(this.data, BINARY.gt);
    }
    argmin() {
      return extreme(this.data, BINARY.lt);
    }
    max({ initial } = {}) {
      if (!this.size && initial !== undefined) return initial;
      const found = this.data[this.argmax()];
      return initial === undefined ? found : BINARY.maximum(found, initial);
    }
    min() {
      return this.data[this.argmin()];
    }
    clip(...given) {
      const { min = -Infinity, max = Infinity } = given.at(-1) instanceof python.Keywords ? given.pop() : {};
      return clip(this, given[0] ?? min, given[1] ?? max);
    }
    astype(kind) {
      return kind === python.int ? new NDArray(this.data.map(Math.trunc), "i", this.shape) : new NDArray(this.data.slice(), this.kind, this.shape);
    }
    copy() {
      return new NDArray(this.data.slice(), this.kind, this.shape);
    }
    tolist() {
      return Array.from(this);
    }
  }

  function array(values) {
    if (values instanceof NDArray) return values;
    if (values instanceof Cells) return new NDArray(Float64Array.from(values.used()));
    if (ArrayBuffer.isView(values)) return new NDArray(Float64Array.from(values));
    const given = typeof values === "number" ? [values] : list(values);
    if (!given.every((v) => typeof v === "number" || typeof v === "boolean")) return new NDArray(new Float64Array(given.length), "O");
    return new NDArray(Float64Array.from(given, Number), given.length && given.every((v) => typeof v === "boolean") ? "b" : "f");
  }
  const stack = (parts) => {
    const rows = parts.map(array);
    const data = new Float64Array(rows.length * rows[0].size);
    rows.forEach((row, k) => data.set(row.data, k * rows[0].size));
    return new NDArray(data, rows[0].kind, [rows.length, rows[0].size]);
  };
  const twoOrOne = (values) => (Array.isArray(values) && values.length && inBulk(values[0]) ? stack(values) : array(values));
  const each = (work, kind) => (value) => {
    if (!inBulk(value)) return kind === "b" ? Boolean(work(value)) : work(value);
    return new NDArray(value.data.map((v) => Number(work(v))), kind ?? "f", value.shape);
  };
  const pair = (name) => (a, b) => (inBulk(a) ? a.__binary__(name, b) : inBulk(b) ? b.__binary__(name, a, true) : BINARY[name](a, b));
  const clip = (value, low, high) => {
    const work = (v) => (Number.isNaN(v) ? v : Math.min(high, Math.max(low, v)));
    return each(work)(value);
  };
  const running = (better) => ({
    accumulate: (values) => {
      let last;
      return new NDArray(values.data.map((v, k) => (last = k ? better(last, v) : v)), values.kind);
    },
  });
  const ascending = (data) => data.slice().sort();
  function medianOf(data) {
    if (!data.length || data.some(Number.isNaN)) return NaN;
    const sorted = ascending(data);
    const half = sorted.length >> 1;
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }
  function searchsorted(sorted, values, { side = "left" } = {}) {
    const place = (value) => {
      let [low, high] = [0, sorted.size];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (sorted.data[middle] < value || (side === "right" && sorted.data[middle] === value)) low = middle + 1;
        else high = middle;
      }
      return low;
    };
    return inBulk(values) ? new NDArray(values.data.map(place), "i") : place(values);
  }

  return {
    NDArray, nan: NaN, inf: Infinity, float64: "float64", bool_: python.bool,
    asarray: array, array: (values) => array(values).copy(), stack,
    abs: each(Math.abs), sqrt: each(Math.sqrt), log: each(Math.log),
    isfinite: each(Number.isFinite, "b"), isnan: each(Number.isNaN, "b"),
    maximum: Object.assign(pair("maximum"), running(BINARY.maximum)), minimum: Object.assign(pair("minimum"), running(BINARY.minimum)),
    clip, searchsorted,
    median: (values, { axis } = {}) => twoOrOne(values).along(axis, medianOf),
    sum: (values, { axis } = {}) => twoOrOne(values).sum({ axis }),
    all: (values, { axis } = {}) => twoOrOne(values).all({ axis }),
    sort: (values) => { // of two dimensions, each column
      const columns = values.columns().map(ascending);
      return new NDArray(Float64Array.from(values.data, (_, k) => columns[k % columns.length][Math.floor(k / columns.length)]), "f", values.shape);
    },
    diff: (values, times = 1) => {
      let { data } = values;
      for (let n = 0; n < times; n++) data = Float64Array.from({ length: Math.max(0, data.length - 1) }, (_, k) => data[k + 1] - data[k]);
      return new NDArray(data);
    },
    ptp: (values) => values.max() - values.min(),
    nanmax: (values) => new NDArray(values.data.filter((v) => !Number.isNaN(v))).max(),
    arange: (count) => new NDArray(Float64Array.from({ length: count }, (_, k) => k), "i"),
    linspace: (start, stop, count) => {
      const step = (stop - start) / (count - 1);
      return new NDArray(Float64Array.from({ length: count }, (_, k) => (k === count - 1 ? stop : k * step + start)));
    },
    full: (count, value) => new NDArray(new Float64Array(count).fill(value)),
    zeros_like: (values) => new NDArray(new Float64Array(values.size), values.kind, values.shape),
    concatenate: (parts) => {
      const all = parts.map(array);
      const data = new Float64Array(all.reduce((sum, { size }) => sum + size, 0));
      let at = 0;
      for (const part of all) {
        data.set(part.data, at);
        at += part.size;
      }
      return new NDArray(data, all[0].kind);
    },
    append: (values, more) => new NDArray(Float64Array.from([...values.data, ...array(more).data]), values.kind),
    flatnonzero: (values) => new NDArray(Float64Array.from(values.places(values.__binary__("ne", 0))), "i"),
    unique: (values) => {
      const sorted = ascending(values.data);
      return new NDArray(sorted.filter((v, k) => k === 0 || v !== sorted[k - 1]), values.kind);
    },
    isin: (values, among) => {
      const there = new Set(among.data);
      return new NDArray(values.data.map((v) => Number(there.has(v))), "b");
    },
    where: (condition, yes, no) => {
      if (!inBulk(condition)) return condition ? yes : no;
      const at = (value, k) => (inBulk(value) ? value.data[value.size === 1 ? 0 : k] : value);
      return new NDArray(condition.data.map((c, k) => at(c ? yes : no, k)), "f", condition.shape);
    },
    frombuffer: (cells, kind) => new NDArray(Float64Array.from(cells.used()), kind === python.bool ? "b" : "f"),
    errstate: () => null,
  };
})();
