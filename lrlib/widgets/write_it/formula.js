// Formulas as a reader writes them: numbers, names, + − * / ^ or **, comparisons, a few functions. formula.py reads the same.

const AT_LEAST_TWO = [2, Infinity];
const FUNCTIONS = {
  min: [Math.min, ...AT_LEAST_TWO],
  max: [Math.max, ...AT_LEAST_TWO],
  cos: [Math.cos, 1, 1],
  sin: [Math.sin, 1, 1],
  sqrt: [Math.sqrt, 1, 1],
  exp: [Math.exp, 1, 1],
  log: [Math.log, 1, 1],
  floor: [Math.floor, 1, 1],
  abs: [Math.abs, 1, 1],
  where: [(condition, then, other) => (condition !== 0 ? then : other), 3, 3],
};
const COMPARISONS = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b, "==": (a, b) => a === b, "!=": (a, b) => a !== b,
};
const SAME = { "−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "^": "**", "≤": "<=", "≥": ">=", "≠": "!=", π: "pi" };
const TOKEN = /\s*(?:((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([\p{L}_][\p{L}\p{N}_]*)|(\*\*|<=|>=|==|!=|[-+*/^()<>,−–×·÷≤≥≠])|(\S))/uy;
const MODULES = ["np", "numpy", "math", "torch", "Math"];
const WORDS = ["if", "else", "and", "or", "not", "lambda", "for"];

export class FormulaError extends Error {
  constructor(message, at, length = 1) {
    super(message);
    Object.assign(this, { at, length });
  }
}

function tokensOf(text) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  for (let found; TOKEN.lastIndex < text.length && (found = TOKEN.exec(text)); ) {
    const [, number, name, sign, other] = found;
    const raw = number ?? name ?? sign ?? other;
    const at = TOKEN.lastIndex - raw.length;
    const before = tokens.at(-1);
    if (other === "." && MODULES.includes(before?.raw)) throw new FormulaError(`“${before.raw}.” is not needed: write cos(…), sqrt(…) and so on alone.`, before.at, raw.length + before.raw.length);
    if (other === "=") throw new FormulaError("Write only what stands to the right of the =; == compares.", at);
    if (other === "|") throw new FormulaError("Write |x| as abs(x).", at);
    if (other !== undefined) throw new FormulaError(`“${other}” cannot stand in a formula.`, at, raw.length);
    const kind = number !== undefined ? "number" : name !== undefined ? "name" : "sign";
    tokens.push({ kind, raw, text: Object.hasOwn(SAME, raw) ? SAME[raw] : raw, at });
  }
  return tokens;
}

const argumentsInWords = (fewest, most, name) => (name === "where" ? "three arguments: a condition, the value where it holds, the value elsewhere"
  : most === 1 ? "one argument" : `${fewest} arguments or more`);

// A formula as a function of {name: number}; names are those that it may use.
export function parseFormula(text, names) {
  const tokens = tokensOf(text);
  const known = ["pi", ...names];
  let place = 0;
  const end = text.trimEnd().length;
  const peek = () => tokens[place];
  const is = (...signs) => peek()?.kind === "sign" && signs.includes(peek().text);
  const fail = (message, token) => {
    throw new FormulaError(message, token ? token.at : end, token ? token.raw.length : 1);
  };
  const missing = () => (tokens.length ? fail(`Something is missing after ${tokens.at(-1).raw}.`) : fail("Nothing is written yet."));

  function comparison() {
    const left = sum();
    if (!is(...Object.keys(COMPARISONS))) return left;
    const compare = COMPARISONS[tokens[place++].text];
    const right = sum();
    if (is(...Object.keys(COMPARISONS))) fail("Only two sides can be compared at once; where(…) may stand within where(…).", peek());
    return (env) => Number(compare(left(env), right(env)));
  }
  function sum() {
    let left = product();
    while (is("+", "-")) {
      const [before, sign] = [left, tokens[place++].text];
      const right = product();
      left = sign === "+" ? (env) => before(env) + right(env) : (env) => before(env) - right(env);
    }
    return left;
  }
  function product() {
    let left = signed();
    while (is("*", "/")) {
      const [before, sign] = [left, tokens[place++].text];
      const right = signed();
      left = sign === "*" ? (env) => before(env) * right(env) : (env) => before(env) / right(env);
    }
    return left;
  }
  function signed() {
    if (!is("+", "-")) return power();
    const sign = tokens[place++].text;
    const inner = signed();
    return sign === "-" ? (env) => -inner(env) : inner;
  }
  function power() {
    const base = atom();
    if (!is("**")) return base;
    place++;
    const exponent = signed(); // binds to the right, as in 2^3^2 and 2^-1
    return (env) => base(env) ** exponent(env);
  }
  function atom() {
    const token = peek();
    if (!token) return missing();
    place++;
    if (token.kind === "number") return () => Number(token.text);
    if (token.kind === "name") return is("(") ? call(token) : name(token);
    if (token.text === "(") {
      const inner = comparison();
      close(token);
      return inner;
    }
    if (token.text === ")") return fail("This ) has nothing before it, or nothing to close.", token);
    return fail(`A number or a name is missing before ${token.raw}.`, token);
  }
  function close(open) {
    if (is(")")) return place++;
    if (!peek()) return fail(`A ) is missing for the ( at character ${open.at + 1}.`);
    if (is(",")) return fail("A comma only separates arguments of a function; in a number write a point, as in 0.5.", peek());
    return notFollowing();
  }
  function name(token) {
    const { text: word } = token;
    if (known.includes(word)) return word === "pi" ? () => Math.PI : (env) => env[word];
    if (Object.hasOwn(FUNCTIONS, word)) return fail(`${word} needs parentheses: ${word}(…).`, token);
    if (WORDS.includes(word)) return condition(token);
    const near = known.concat(Object.keys(FUNCTIONS)).find((other) => other.toLowerCase() === word.toLowerCase());
    return fail(`“${token.raw}” is not known here${near ? `: did you mean ${near}?` : `; known are ${known.join(", ")} and ${Object.keys(FUNCTIONS).join(", ")}.`}`, token);
  }
  function call(token) {
    const open = tokens[place];
    if (known.includes(token.text)) fail(`${token.raw} is a number: is a * missing after it?`, open);
    if (!Object.hasOwn(FUNCTIONS, token.text)) name(token);
    place++;
    const given = [];
    if (!is(")")) given.push(comparison());
    while (is(",")) {
      place++;
      given.push(comparison());
    }
    close(open);
    const [compute, fewest, most] = FUNCTIONS[token.text];
    if (given.length < fewest || given.length > most) fail(`${token.text} takes ${argumentsInWords(fewest, most, token.text)}, not ${given.length}.`, token);
    return (env) => compute(...given.map((part) => part(env)));
  }
  const condition = (token) => fail(`“${token.raw}” is not known here: write where(condition, value, other value).`, token);
  function notFollowing() {
    const token = peek();
    if (WORDS.includes(token.text)) return condition(token);
    if (token.kind !== "sign" || token.text === "(") return fail(`Is a * missing before ${token.raw}?`, token);
    if (token.text === ")") return fail("This ) closes nothing.", token);
    if (token.text === ",") return fail("A comma only separates arguments of a function; in a number write a point, as in 0.5.", token);
    return fail(`${token.raw} cannot stand here.`, token);
  }

  const formula = comparison();
  if (peek()) notFollowing();
  return formula;
}
