// The range-test lab: a recorded curve, what every rule reads off it, and the losses of whole runs, on one axis of rates.
// Everything is looked up in a table that Python has made.
import { html } from "../hosting/dom.js";
import { readable } from "../drawing/drawing.js";
import { RECORDED, makeFrame, oncePerFrame, watchKernel } from "../hosting/lab.js";
import { unpack } from "../hosting/packing.js";

const NONE = 65535; // no loss
const ROW = 18; // px from one rule to the next
const FAR = 1000; // a loss over the best whose size no longer matters
const OUTSIDE = "var(--lr-ghost)";

const spoken = (name) => name.replaceAll("_", " ");

// A row of packed losses.
function rowOf(losses, index, width, unit) {
  return Array.from(losses.subarray(index * width, (index + 1) * width), (v) => (v === NONE ? NaN : v * unit));
}

// The height of a curve at a rate, on the straight lines between its points.
function heightAt(rates, losses, rate) {
  const after = rates.findIndex((r) => r >= rate);
  if (after < 0) return NaN;
  if (after === 0) return losses[0];
  const along = Math.log(rate / rates[after - 1]) / Math.log(rates[after] / rates[after - 1]);
  return losses[after - 1] + along * (losses[after] - losses[after - 1]);
}

function costInWords(rate, cost) {
  if (rate === null) return "";
  if (cost === null) return "no run there";
  return cost > FAR ? `over ${FAR} ×` : `${readable(cost, cost < 10 ? 3 : 2)} ×`;
}

function render({ model, el }) {
  const config = model.get("config");
  const host = model.get("host");
  const { cases, reasons, rules, smoothings, betas, own_drawn: ownDrawn, factor } = config.table;
  const soon = { ask: () => {} };
  const frame = makeFrame({ el, config, host, label: "Range-test lab", changed: () => soon.ask() });
  el.classList.add("lrlab-range");
  const curve = frame.chart({ height: 230, label: "Minibatch loss against the rate in the range test" });
  const marks = frame.chart({ height: ROW * (rules.length + 1) + 62, label: "The rate that each rule suggests" });
  const truth = frame.chart({ height: 200, label: "Loss of whole runs over the best against their rate" });
  const body = html("tbody");
  const headings = ["rule", "rate", "loss of a whole run there", `near the best, of ${config.seeds.length} seeds`];
  const head = html("thead", {}, html("tr", {}, ...headings.map((text) => html("th", { scope: "col" }, text))));
  frame.status.after(html("table", { class: "lrlab-readings" }, head, body));
  const unpacked = new Map(); // by case

  const settings = () => (frame.controls ? frame.controls.values() : model.get("settings"));
  function curvesOf(label) {
    if (!unpacked.has(label)) unpacked.set(label, { raw: unpack(cases[label].raw), smooth: unpack(cases[label].smooth) });
    return unpacked.get(label);
  }

  function paint() {
    const now = settings();
    const one = cases[now.case];
    const seed = config.seeds.length > 1 ? now.seed - config.seeds[0] : 0;
    const way = smoothings.indexOf(now.smoothing);
    const { raw, smooth } = curvesOf(now.case);
    const losses = rowOf(raw, seed, one.rates.length, one.unit);
    const drawn = now.smoothing === "own" ? ownDrawn : now.smoothing;
    const smoothed = rowOf(smooth, betas.indexOf(drawn) * config.seeds.length + seed, one.grid.length, one.unit);
    const span = one.truth.ranges[seed];
    const said = rules.map((name, k) => ({
      name, rate: one.suggested[way][seed][k], why: reasons[one.why[way][seed][k]], cost: one.cost[way][seed][k],
      near: Boolean(one.near[way][seed][k]), hits: one.near[way].reduce((sum, row) => sum + row[k], 0),
    }));
    const made = said.filter(({ rate }) => rate !== null);
    const domain = [one.rates[0], one.rates.at(-1)];
    const x = { domain, kind: "log", label: "" };
    const shade = (low, high) => ({ kind: "band", xs: span, low: [low, low], high: [high, high] });
    const threads = made.map(({ rate }) => ({ kind: "vertical", x: rate, style: "thread" }));
    const dots = (height) => made.map((one) => ({ kind: "dot", x: one.rate, y: height(one), colour: one.near ? undefined : OUTSIDE }));
    const what = drawn ? `grey; its running mean, β = ${drawn}` : "not smoothed";
    curve.draw({
      x, y: { domain: [0, one.top], label: `minibatch loss, ${what}` },
      marks: [
        shade(0, one.top), ...threads,
        { kind: "line", style: "each", xs: one.rates, ys: losses, name: "raw" },
        { kind: "line", style: "thin", xs: one.grid, ys: smoothed, colour: "currentColor", name: "smoothed" },
        ...dots(({ rate }) => Math.min(one.top, heightAt(one.grid, smoothed, rate))),
      ],
      readout: (rate) => (rate < domain[0] || rate > domain[1] ? null : { x: rate, text: `η = ${readable(rate)}: ${readable(heightAt(one.grid, smoothed, rate))}` }),
    });
    marks.draw({
      x, y: { domain: [rules.length, -1], label: "what each rule suggests; shaded: near the best", bare: true },
      marks: [shade(-1, rules.length), ...threads, ...said.flatMap(({ name, rate, near }, row) => rowMarks({ name, rate, near }, row, domain))],
    });
    truth.draw({
      x: { ...x, label: "learning rate η" }, y: { domain: config.ratios, kind: "log", label: "loss of a whole run, over the best" },
      marks: [
        shade(...config.ratios), ...threads,
        { kind: "line", style: "thin", xs: one.truth.rates, ys: one.truth.ratios[seed], colour: "currentColor", name: "truth" },
        ...dots(({ cost }) => (cost === null ? NaN : Math.min(config.ratios[1], cost))).filter(({ y }) => Number.isFinite(y)),
      ],
    });
    tell(said, made.length, span, now);
    Object.assign(el.dataset, {
      settings: JSON.stringify(now), done: "true", range: JSON.stringify(span),
      said: JSON.stringify(Object.fromEntries(said.map(({ name, rate, near }) => [name, { rate, near }]))),
    });
  }

  function rowMarks({ name, rate, near }, row, [low, high]) {
    if (rate === null) return [{ kind: "text", x: low, y: row + 0.22, label: `${spoken(name)}: no suggestion`, style: "lrlab-silent" }];
    const left = Math.log(rate / low) < 0.6 * Math.log(high / low);
    const label = `${spoken(name)} ${readable(rate, 2)}`;
    const aside = (high / low) ** (9 / (marks.box?.width ?? Math.max(180, frame.charts.clientWidth - 60))); // 9 px past the dot
    return [
      { kind: "dot", x: rate, y: row, colour: near ? undefined : OUTSIDE },
      { kind: "text", x: left ? rate * aside : rate / aside, y: row + 0.22, label, anchor: left ? "start" : "end" },
    ];
  }

  function tell(said, made, [low, high], now) {
    const near = said.filter((one) => one.near).length;
    const silent = rules.length - made;
    const seed = config.seeds.length > 1 ? `, seed ${now.seed}` : "";
    frame.say(RECORDED, `${now.case}${seed}: ${near} of ${rules.length} rules land where a whole run ends below ${readable(factor)} times`
      + ` the best loss, from η = ${readable(low, 2)} to ${readable(high, 2)}${silent ? `; ${silent} ${silent > 1 ? "make" : "makes"} no suggestion` : ""}.`);
    body.replaceChildren(...said.map(({ name, rate, why, cost, near: close, hits }) => {
      const cells = rate === null
        ? [html("td", { colSpan: 2 }, `no suggestion, because ${why}`)]
        : [html("td", {}, readable(rate, 2)), html("td", {}, `${costInWords(rate, cost)}${close ? ", near the best" : ""}`)];
      return html("tr", {}, html("th", { scope: "row" }, spoken(name)), ...cells, html("td", {}, String(hits)));
    }));
  }

  soon.ask = oncePerFrame(paint, frame.life);
  if (host === "kernel") {
    watchKernel(model, frame);
    frame.life.follow(model, "change:settings", soon.ask);
  }
  paint();
  return frame.life.end;
}

export default { render };
