// What Python's own words mean, for code that translate.py has put into JavaScript: None is null, lists and tuples are arrays.
// Whatever holds numbers in bulk (numpy.js) takes part by the methods __binary__, __getitem__, __setitem__ and __len__.
export const python = (() => {
  class Keywords {
    constructor(given) {
      Object.assign(this, given);
    }
  }
  const apart = (args) => (args.at(-1) instanceof Keywords ? [args.slice(0, -1), args.at(-1)] : [args, {}]);

  // --- exceptions ---------------------------------------------------------------------------------------------------
  function exception(name, base = null) {
    function Raised(message = "") {
      const error = Object.create(Raised.prototype);
      error.message = message;
      error.stack = new Error(message).stack;
      return error;
    }
    Raised.prototype = Object.create(base ? base.prototype : Error.prototype);
    Object.assign(Raised.prototype, { name, __str__() { return this.message; } });
    return Raised;
  }
  const BaseError = exception("Exception");
  const ValueError = exception("ValueError", BaseError);
  const TypeError_ = exception("TypeError", BaseError);
  const KeyError = exception("KeyError", BaseError);
  const UnicodeDecodeError = exception("UnicodeDecodeError", ValueError);

  // --- containers ---------------------------------------------------------------------------------------------------
  class Dict extends Map {
    get(key, otherwise = null) {
      return this.has(key) ? super.get(key) : otherwise;
    }
    items() {
      return [...this.entries()];
    }
    setdefault(key, value) {
      if (!this.has(key)) this.set(key, value);
      return super.get(key);
    }
  }
  class PySet extends Set {
    discard(value) {
      this.delete(value);
    }
  }
  class Slice {
    constructor(start, stop, step) {
      Object.assign(this, { start, stop, step });
    }
    // (first, count, step) within so many.
    within(length) {
      const step = this.step ?? 1;
      const clip = (v, low, high) => Math.min(high, Math.max(low, v < 0 ? v + length : v));
      const first = this.start === null ? (step > 0 ? 0 : length - 1) : step > 0 ? clip(this.start, 0, length) : clip(this.start, -1, length - 1);
      const end = this.stop === null ? (step > 0 ? length : -1) : step > 0 ? clip(this.stop, 0, length) : clip(this.stop, -1, length - 1);
      return [first, Math.max(0, Math.ceil((end - first) / step)), step];
    }
  }
  // Bytes, and numbers of eight bytes, that grow.
  class Cells {
    constructor(Kind, values = []) {
      this.data = new Kind(16);
      this.length = 0;
      this.extend(values);
    }
    static of(data) {
      const cells = new Cells(data.constructor);
      [cells.data, cells.length] = [data, data.length];
      return cells;
    }
    reserve(more) {
      if (this.length + more <= this.data.length) return;
      const larger = new this.data.constructor(Math.max(2 * this.data.length, this.length + more));
      larger.set(this.data.subarray(0, this.length));
      this.data = larger;
    }
    append(value) {
      this.reserve(1);
      this.data[this.length++] = value;
    }
    extend(values) {
      if (values instanceof Cells) {
        this.reserve(values.length);
        this.data.set(values.used(), this.length);
        this.length += values.length;
      } else for (const value of iter(values)) this.append(value);
    }
    used() {
      return this.data.subarray(0, this.length);
    }
    [Symbol.iterator]() {
      return this.used()[Symbol.iterator]();
    }
    __len__() {
      return this.length;
    }
    __getitem__(index) {
      const used = this.used();
      if (!(index instanceof Slice)) return used[index];
      const [first, count, step] = index.within(this.length);
      return Cells.of(Uint8Array.from({ length: count }, (_, k) => used[first + k * step]));
    }
    startswith(marks) {
      return (Array.isArray(marks) ? marks : [marks]).some((mark) => mark.used().every((byte, k) => k < this.length && byte === this.data[k]));
    }
    strip() {
      const kept = this.used().filter((byte) => byte !== 32 && !(byte >= 9 && byte <= 13)); // asked only whether any is left
      return Cells.of(kept);
    }
    count(value) {
      return this.used().reduce((sum, byte) => sum + (byte === value), 0);
    }
    __contains__(part) {
      return this.used().includes(part.data[0]);
    }
    decode() {
      const start = invalidUtf8(this.used());
      if (start < 0) return new TextDecoder().decode(this.used());
      throw Object.assign(UnicodeDecodeError("not UTF-8"), { start });
    }
  }
  // Where bytes cease to be UTF-8, -1 if nowhere.
  function invalidUtf8(bytes) {
    for (let k = 0; k < bytes.length;) {
      const byte = bytes[k];
      const more = byte < 0x80 ? 0 : byte >= 0xc2 && byte < 0xe0 ? 1 : byte >= 0xe0 && byte < 0xf0 ? 2 : byte >= 0xf0 && byte < 0xf5 ? 3 : -1;
      if (more < 0) return k;
      for (let j = 1; j <= more; j++) {
        const next = bytes[k + j];
        const low = j > 1 ? 0x80 : { 0xe0: 0xa0, 0xf0: 0x90 }[byte] ?? 0x80;
        const high = j > 1 ? 0xbf : { 0xed: 0x9f, 0xf4: 0x8f }[byte] ?? 0xbf;
        if (!(next >= low && next <= high)) return k;
      }
      k += more + 1;
    }
    return -1;
  }

  // --- iteration ----------------------------------------------------------------------------------------------------
  // An iterator that a loop which is left early does not close: the next one goes on from there, as in Python.
  function iter(value) {
    if (Array.isArray(value) || typeof value === "string") return value;
    if (value instanceof Map) return value.keys();
    if (typeof value?.next === "function") return value.return ? { next: () => value.next(), [Symbol.iterator]() { return this; } } : value;
    if (value?.[Symbol.iterator]) return value;
    throw TypeError_(`${repr(value)} is not iterable`);
  }
  const iterator = (value) => iter(iter(value)[Symbol.iterator]());
  const list = (value = []) => [...iter(value)];
  function next(value, ...otherwise) {
    const { done, value: found } = value.next();
    if (!done) return found;
    if (otherwise.length) return otherwise[0];
    throw ValueError("nothing follows");
  }
  function* zip(...args) {
    const [parts, { strict }] = apart(args);
    const all = parts.map(iterator);
    while (all.length) {
      const found = all.map((one) => one.next());
      const ended = found.filter(({ done }) => done).length;
      if (ended && strict && ended < all.length) throw ValueError("zip() arguments are not of one length");
      if (ended) return;
      yield found.map(({ value }) => value);
    }
  }
  function* map(work, values) {
    for (const value of iter(values)) yield work(value);
  }
  function* enumerate(values) {
    let k = 0;
    for (const value of iter(values)) yield [k++, value];
  }
  function extreme(better) {
    return (...args) => {
      const [given, { key = (v) => v, default: otherwise }] = apart(args);
      const values = given.length > 1 ? given : list(given[0]);
      if (!values.length && otherwise !== undefined) return otherwise;
      if (!values.length) throw ValueError("max() or min() of nothing");
      return values.slice(1).reduce(([best, height], v) => (better(key(v), height) ? [v, key(v)] : [best, height]), [values[0], key(values[0])])[0];
    };
  }

  // --- truth, equality, order ---------------------------------------------------------------------------------------
  function len(value) {
    if (typeof value === "string" || Array.isArray(value)) return value.length;
    return value instanceof Map || value instanceof Set ? value.size : value.__len__();
  }
  function truth(value) {
    if (value === null || value === false || value === 0 || value === "") return false;
    if (typeof value !== "object") return true;
    if (value.__bool__) return value.__bool__();
    return Array.isArray(value) || value instanceof Map || value instanceof Set || value.__len__ ? len(value) > 0 : true;
  }
  const inBulk = (value) => value !== null && typeof value === "object" && Boolean(value.__binary__);
  function eq(a, b) {
    if (inBulk(a)) return a.__binary__("eq", b);
    if (inBulk(b)) return b.__binary__("eq", a);
    if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((value, k) => eq(value, b[k]));
    return a === b || (typeof a === "boolean" && typeof b === "number" && Number(a) === b);
  }
  function order(name, plain) {
    const mirrored = { lt: "gt", gt: "lt", le: "ge", ge: "le" };
    return (a, b) => {
      if (inBulk(a)) return a.__binary__(name, b);
      if (inBulk(b)) return b.__binary__(mirrored[name], a);
      if (a instanceof Set) return name === "le" ? [...a].every((value) => contains(b, value)) : fail(name, a, b);
      if (!Array.isArray(a)) return plain(a, b);
      const k = a.findIndex((value, i) => i >= b.length || !eq(value, b[i]));
      return k < 0 || k >= b.length ? plain(a.length, b.length) : plain(a[k], b[k]);
    };
  }
  const lt = order("lt", (a, b) => a < b);
  const gt = order("gt", (a, b) => a > b);
  function contains(all, value) {
    if (typeof all === "string") return all.includes(value);
    if (all instanceof Map || all instanceof Set) return all.has(value);
    return all.__contains__ ? all.__contains__(value) : list(all).some((one) => eq(one, value));
  }
  function fail(name, a, b) {
    throw TypeError_(`unsupported: ${repr(a)} ${name} ${repr(b)}`);
  }

  // --- arithmetic ---------------------------------------------------------------------------------------------------
  const isNumber = (v) => typeof v === "number" || typeof v === "boolean";
  const repeat = (value, times) => {
    if (typeof value === "string") return value.repeat(Math.max(0, times));
    if (value instanceof Cells) return Cells.of(Uint8Array.from({ length: times * value.length }, (_, k) => value.data[k % value.length]));
    return Array.from({ length: Math.max(0, times) * value.length }, (_, k) => value[k % value.length]);
  };
  function arithmetic(name, numbers, others = () => undefined) {
    return (a, b) => {
      if (isNumber(a) && isNumber(b)) return numbers(Number(a), Number(b));
      if (inBulk(a)) return a.__binary__(name, b);
      if (inBulk(b)) return b.__binary__(name, a, true);
      return others(a, b) ?? fail(name, a, b);
    };
  }
  const modulo = (a, b) => a - b * Math.floor(a / b);
  const logical = (a, b, numbers) => (typeof a === "boolean" && typeof b === "boolean" ? Boolean(numbers) : numbers);
  const add = arithmetic("add", (a, b) => a + b, (a, b) => (typeof a === "string" && typeof b === "string" ? a + b : Array.isArray(a) && Array.isArray(b) ? [...a, ...b] : undefined));
  const bitOr = (a, b) => (a instanceof Set ? new PySet([...a, ...b]) : a instanceof Map ? new Dict([...a, ...b]) : binaryOr(a, b));
  const binaryOr = arithmetic("bitOr", (a, b) => a | b);
  const bitAnd = (a, b) => (a instanceof Set ? new PySet([...a].filter((v) => contains(b, v))) : logical(a, b, binaryAnd(a, b)));
  const binaryAnd = arithmetic("bitAnd", (a, b) => a & b);
  const subtract = arithmetic("sub", (a, b) => a - b);

  function round(value) {
    const low = Math.floor(value);
    const rest = value - low;
    return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
  }

  // --- subscripts ---------------------------------------------------------------------------------------------------
  function get(value, index) {
    if (value instanceof Map) {
      if (!value.has(index)) throw KeyError(repr(index));
      return value.get(index);
    }
    if (typeof value === "string" || Array.isArray(value)) {
      if (index instanceof Slice) {
        const [first, count, step] = index.within(value.length);
        if (step === 1) return value.slice(first, first + count);
        const found = Array.from({ length: count }, (_, k) => value[first + k * step]);
        return typeof value === "string" ? found.join("") : found;
      }
      const found = value.at(index);
      if (found === undefined) throw KeyError(`index ${index} is out of range`);
      return found;
    }
    return value.__getitem__(index);
  }
  function put(value, index, item) {
    if (value instanceof Map) value.set(index, item);
    else if (Array.isArray(value)) value[index < 0 ? index + value.length : index] = item;
    else value.__setitem__(index, item);
  }

  // --- text ---------------------------------------------------------------------------------------------------------
  const SPACE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
  const [LEFT, RIGHT, SPACES] = [new RegExp(`^${SPACE}+`), new RegExp(`${SPACE}+$`), new RegExp(`${SPACE}+`)];
  const asList = (marks) => (Array.isArray(marks) ? marks : [marks]);
  const strings = {
    strip: (s) => s.replace(LEFT, "").replace(RIGHT, ""),
    lstrip: (s, marks = null) => {
      if (marks === null) return s.replace(LEFT, "");
      let k = 0;
      while (k < s.length && marks.includes(s[k])) k++;
      return s.slice(k);
    },
    lower: (s) => s.toLowerCase(),
    startswith: (s, marks) => asList(marks).some((mark) => s.startsWith(mark)),
    endswith: (s, marks) => asList(marks).some((mark) => s.endsWith(mark)),
    removeprefix: (s, mark) => (s.startsWith(mark) ? s.slice(mark.length) : s),
    replace: (s, old, fresh) => s.replaceAll(old, () => fresh),
    join: (s, parts) => list(parts).join(s),
    split(s, mark = null, most = Infinity) {
      if (mark === null) return strings.strip(s).split(SPACES).filter((word) => word !== "");
      const parts = s.split(mark);
      return parts.length <= most + 1 ? parts : [...parts.slice(0, most), parts.slice(most).join(mark)];
    },
  };
  const lists = {
    append: (a, value) => void a.push(value),
    extend: (a, values) => { for (const value of iter(values)) a.push(value); },
    index(a, value) {
      const k = a.findIndex((one) => eq(one, value));
      if (k < 0) throw ValueError(`${repr(value)} is not in list`);
      return k;
    },
  };
  function call(value, name, ...args) {
    if (typeof value === "string") return strings[name](value, ...args);
    if (Array.isArray(value)) return lists[name](value, ...args);
    return value[name](...args);
  }

  const exponent = (power) => `e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  function repr(value) {
    if (typeof value === "number") return reprNumber(value);
    if (typeof value === "string") return reprText(value);
    if (value === null || value === undefined) return "None";
    if (typeof value === "boolean") return value ? "True" : "False";
    if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
    return value.__repr__?.() ?? String(value);
  }
  function reprNumber(value) {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
    if (Number.isInteger(value) && Math.abs(value) < 1e16) return String(value);
    const [mantissa, power] = value.toExponential().split("e");
    return power >= 16 || power < -4 ? mantissa + exponent(Number(power)) : String(value);
  }
  function reprText(text) {
    const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
    const named = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", [quote]: `\\${quote}` };
    const hex = (code) => (code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`);
    return quote + text.replace(/[\\\n\r\t'"]|[^\P{C}]|[^\P{Z} ]/gu, (c) => (c === " " || (named[c] === undefined && /['"]/.test(c)) ? c : named[c] ?? hex(c.codePointAt(0)))) + quote;
  }
  const str = (value) => (typeof value === "string" ? value : value?.__str__ ? value.__str__() : repr(value));

  // Digits rounded as Python does: a tie, which JavaScript takes upwards, goes to the even digit.
  function fixed(value, digits) {
    const usual = value.toFixed(digits);
    const exact = value.toFixed(Math.min(100, digits + 60));
    const cut = exact.slice(0, exact.indexOf(".") + (digits ? digits + 1 : 0));
    const rest = exact.slice(cut.length).replace(".", "");
    return /^50*$/.test(rest) && Number(cut.at(-1)) % 2 === 0 ? cut : usual;
  }
  function scientific(value, digits) {
    const exact = value.toExponential(Math.min(100, digits + 60));
    const [mantissa, power] = exact.split("e");
    const cut = mantissa.slice(0, mantissa.indexOf(".") + (digits ? digits + 1 : 0));
    const rest = mantissa.slice(cut.length).replace(".", "");
    return /^50*$/.test(rest) && Number(cut.at(-1)) % 2 === 0 ? [cut, Number(power)] : ((p) => [p[0], Number(p[1])])(value.toExponential(digits).split("e"));
  }
  function format(value, spec = "", conversion = "") {
    if (conversion === "r") return repr(value);
    const [, digits = "6", kind] = /^(?:\.(\d+))?([gf%]?)$/.exec(spec);
    if (!kind) return str(value);
    if (!Number.isFinite(value)) return reprNumber(value) + (kind === "%" ? "%" : "");
    if (kind === "f") return fixed(value, Number(digits));
    if (kind === "%") return `${fixed(value * 100, Number(digits))}%`;
    if (value === 0) return Object.is(value, -0) ? "-0" : "0";
    const most = Math.max(1, Number(digits));
    const [mantissa, power] = scientific(value, most - 1);
    const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
    if (power < -4 || power >= most) return trimmed(mantissa) + exponent(power);
    return trimmed(fixed(Number(`${mantissa}e${power}`), most - 1 - power));
  }

  const NUMBER = /^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[+-]?\d+(_\d+)*)?$/i;
  const BLANK = SPACE.replace("\\x1c-\\x20", "\\x20"); // what float() passes over is less than what strip() does
  const BLANKS = new RegExp(`^${BLANK}+|${BLANK}+$`, "g");
  const PLAIN = /^-?\d+(\.\d+)?(e[+-]\d+)?$/; // most cells
  const NAMED = /^([+-]?)(inf|infinity|nan)$/i;
  function float(value) {
    if (isNumber(value)) return Number(value);
    if (typeof value !== "string") throw TypeError_(`float() of ${repr(value)}`);
    if (PLAIN.test(value)) return Number(value);
    const text = value.replace(BLANKS, "");
    if (NUMBER.test(text)) return Number(text.replaceAll("_", ""));
    const [, sign, name] = NAMED.exec(text) ?? [];
    if (!name) throw ValueError(`could not convert string to float: ${repr(value)}`);
    return name[0].toLowerCase() === "n" ? NaN : sign === "-" ? -Infinity : Infinity;
  }

  // --- types, as isinstance asks for them ---------------------------------------------------------------------------
  const type = (is, make = {}) => Object.assign(make, { is });
  const types = {
    str: type((v) => typeof v === "string", Object.assign((v = "") => str(v), strings)),
    int: type((v) => typeof v === "boolean" || Number.isInteger(v), (v) => Math.trunc(float(v))),
    float: type((v) => typeof v === "number", float),
    bool: type((v) => typeof v === "boolean", (v = false) => truth(v)),
    list: type(Array.isArray, list),
    tuple: type(Array.isArray, list),
    dict: type((v) => v instanceof Map, Object.assign((pairs = []) => new Dict(iter(pairs)), { fromkeys: (keys, value = null) => new Dict(list(keys).map((key) => [key, value])) })),
    set: type((v) => v instanceof Set, (values = []) => new PySet(iter(values))),
    Mapping: type((v) => v instanceof Map),
    Real: type(isNumber),
    Integral: type((v) => typeof v === "boolean" || Number.isInteger(v)),
  };
  const isinstance = (value, kinds) => kinds.some((kind) => (kind.is ? kind.is(value) : value instanceof kind));
  const bytes = (given = []) => (isNumber(given) ? Cells.of(new Uint8Array(Math.max(0, given))) : new Cells(Uint8Array, given));

  // --- the standard library -----------------------------------------------------------------------------------------
  const compiled = new Map();
  function pattern(source, flags) {
    const key = `${flags} ${source}`;
    if (!compiled.has(key)) compiled.set(key, new RegExp(source, flags));
    return compiled.get(key);
  }
  const re = {
    IGNORECASE: "i",
    fullmatch: (source, text, flags = "") => pattern(`^(?:${source})$`, flags).exec(text),
    split: (source, text) => text.split(pattern(source, "")),
    sub: (source, fresh, text) => text.replace(pattern(source, "g"), () => fresh),
    compile: (source, flags = "") => ({ fullmatch: (text) => re.fullmatch(source, text, flags) }),
  };

  const CsvError = exception("csv.Error", BaseError);
  const LONGEST = 131072;
  // Rows of cells, by the rules of Python's csv: quotes doubled inside of quotes, which may span lines.
  function* reader(lines, { delimiter = "," } = {}) {
    let [row, cell, state] = [[], "", "record"]; // record, start, plain, quoted, quote (one just closed or doubled)
    const close = () => {
      if (cell.length > LONGEST) throw CsvError(`field larger than field limit (${LONGEST})`);
      row.push(cell);
      cell = "";
    };
    for (const line of iter(lines)) {
      if (state === "record" && !line.includes('"')) { // most lines
        const bare = line.replace(/[\r\n]+$/, "");
        if (!/[\r\n]/.test(bare)) {
          const cells = bare === "" ? [] : bare.split(delimiter);
          if (cells.some(({ length }) => length > LONGEST)) throw CsvError(`field larger than field limit (${LONGEST})`);
          yield cells;
          continue;
        }
      }
      let ended = false;
      for (const c of line) {
        if (ended && c !== "\r" && c !== "\n") throw CsvError("new-line character seen in unquoted field - do you need to open the file with newline=''?");
        if (state === "quoted") {
          if (c === '"') state = "quote";
          else cell += c;
        } else if (c === "\r" || c === "\n") {
          if (!ended && state !== "record") close();
          [ended, state] = [true, "record"];
        } else if (state === "quote" && c === '"') [cell, state] = [cell + c, "quoted"];
        else if (c === delimiter) {
          close();
          state = "start";
        } else if (c === '"' && (state === "record" || state === "start")) state = "quoted";
        else [cell, state] = [cell + c, "plain"];
      }
      if (state === "quoted") continue;
      if (!ended && state !== "record") close();
      state = "record";
      yield row;
      row = [];
    }
    if (state === "quoted") {
      close();
      yield row;
    }
  }

  // JSON as Python reads it, with NaN and Infinity.
  function loads(text) {
    const marked = /\bNaN\b|\bInfinity\b/.test(text);
    const plain = marked ? text.replace(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g, (found) => (found[0] === '"' ? found : `"\\u0000${found}"`)) : text;
    const turned = (value) => {
      if (typeof value === "string") return value[0] === "\0" && /^\0(NaN|-?Infinity)$/.test(value) ? Number(value.slice(1)) : value;
      if (value === null || typeof value !== "object") return value;
      return Array.isArray(value) ? value.map(turned) : new Dict(Object.entries(value).map(([key, inner]) => [key, turned(inner)]));
    };
    let found;
    try {
      found = JSON.parse(plain);
    } catch (error) {
      throw ValueError(error.message);
    }
    return turned(found);
  }

  const itertools = {
    *chain(...parts) {
      for (const part of parts) for (const value of iter(part)) yield value;
    },
    *islice(values, ...ends) {
      const [start, stop] = ends.length > 1 ? ends : [0, ends[0]];
      const all = iterator(values);
      for (let k = 0; stop === null || k < stop; k++) {
        const { done, value } = all.next();
        if (done) return;
        if (k >= start) yield value;
      }
    },
    *takewhile(passes, values) {
      for (const value of iter(values)) {
        if (!truth(typeof passes === "function" ? passes(value) : passes.__call__(value))) return;
        yield value;
      }
    },
    *zip_longest(...parts) {
      const all = parts.map(iterator);
      for (;;) {
        const found = all.map((one) => one.next());
        if (found.every(({ done }) => done)) return;
        yield found.map(({ done, value }) => (done ? null : value));
      }
    },
  };

  return {
    ...types, Keywords, Dict, PySet, Slice, Cells, Ellipsis: Symbol("..."), exception, inBulk,
    Exception: BaseError, ValueError, TypeError: TypeError_, KeyError, UnicodeDecodeError,
    EOFError: exception("EOFError", BaseError), OverflowError: exception("OverflowError", BaseError),
    iter, iterator, next, zip, map, enumerate, len, truth, eq, lt, gt, contains, call, get, put, format, repr, round, isinstance, bytes,
    bytearray: bytes, str: types.str,
    ne: (a, b) => (inBulk(a) || inBulk(b) ? invert(eq(a, b)) : !eq(a, b)),
    le: order("le", (a, b) => a <= b), ge: order("ge", (a, b) => a >= b),
    add, sub: (a, b) => (a instanceof Set ? new PySet([...a].filter((v) => !contains(b, v))) : subtract(a, b)),
    mul: arithmetic("mul", (a, b) => a * b, (a, b) => (isNumber(b) ? repeat(a, b) : isNumber(a) ? repeat(b, a) : undefined)),
    div: arithmetic("div", (a, b) => a / b), floordiv: arithmetic("floordiv", (a, b) => Math.floor(a / b)),
    mod: arithmetic("mod", modulo), pow: arithmetic("pow", (a, b) => a ** b), bitAnd, bitOr,
    neg: (a) => (inBulk(a) ? a.__binary__("mul", -1) : -a), invert,
    // In place, as += and |= are on lists and dictionaries.
    iadd(a, b) {
      if (!Array.isArray(a)) return add(a, b);
      for (const value of list(b)) a.push(value);
      return a;
    },
    ior(a, b) {
      if (a instanceof Map) for (const [key, value] of b) a.set(key, value);
      else if (a instanceof Set) for (const value of iter(b)) a.add(value);
      else return bitOr(a, b);
      return a;
    },
    and: (a, b) => (truth(a) ? b() : a), or: (a, b) => (truth(a) ? a : b()),
    any: (values) => { for (const value of iter(values)) if (truth(value)) return true; return false; },
    all: (values) => { for (const value of iter(values)) if (!truth(value)) return false; return true; },
    sum: (values) => { let sum = 0; for (const value of iter(values)) sum += Number(value); return sum; },
    sorted: (values) => list(values).sort((a, b) => (lt(a, b) ? -1 : lt(b, a) ? 1 : 0)),
    max: extreme(gt), min: extreme(lt),
    abs: (a) => (inBulk(a) ? a.__binary__("abs", 0) : Math.abs(a)),
    *range(...ends) {
      const [start, stop, step = 1] = ends.length > 1 ? ends : [0, ends[0]];
      for (let k = start; step > 0 ? k < stop : k > stop; k += step) yield k;
    },
    object: { __setattr__: (value, name, item) => { value[name] = item; } },
    // The arguments of a call in the order of the callee's parameters.
    bind(names, positional, keywords, more) {
      const given = new Map([...Object.entries(keywords), ...more]);
      for (const name of given.keys()) if (!names.includes(name)) throw TypeError_(`unexpected argument ${name}`);
      return names.map((name, k) => (k < positional.length ? positional[k] : given.get(name)));
    },
    dictOf: (...parts) => new Dict(parts.flatMap((part) => (part instanceof Map ? [...part] : [part]))),
    // What the page works with: mappings as objects, all else as it is.
    plain(value) {
      if (Array.isArray(value)) return value.map((one) => this.plain(one));
      return value instanceof Map ? Object.fromEntries([...value].map(([key, one]) => [key, this.plain(one)])) : value;
    },
    math: { exp: Math.exp, log: Math.log, inf: Infinity, isfinite: Number.isFinite },
    re, csv: { reader, Error: CsvError }, json: { loads }, itertools, array: { array: (_, values = []) => new Cells(Float64Array, values) },
    types: { MappingProxyType: (value) => value }, abc: { Mapping: types.Mapping }, numbers: { Real: types.Real, Integral: types.Integral },
  };

  function invert(a) {
    return inBulk(a) ? a.__binary__("eq", false) : ~a;
  }
})();
