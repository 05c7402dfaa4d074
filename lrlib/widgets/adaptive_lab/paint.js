// The pictures of the adaptive lab: losses against the step, how the effective rates spread over the parameters at one step and
// on the way, and a table of what the runs did at that step.
import { html } from "../hosting/dom.js";
import { readable } from "../drawing/drawing.js";
import { divergedAt } from "../trainer/wasm_runner.js";

const LOSS_ENDS = [[0.03, 0.01, 1e-3], [3, 10, 30, 100, 1e4]]; // the frame grows in these steps only, so that it stands still
const SPREAD_LEAST = [1e-2, 1e3]; // and so does the other, in whole decades

const spanOf = (lists) => {
  const values = lists.flat().filter((v) => Number.isFinite(v) && v > 0);
  return values.length ? [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))] : [1, 1];
};

// What of a run is to be seen: its losses until it diverged.
export function seenOf(record, threshold) {
  const bad = divergedAt(record.loss, threshold);
  const until = record.evalSteps.filter((step) => bad < 0 || step <= bad).length;
  return { bad, xs: record.evalSteps.slice(0, until), ys: record.validation.slice(0, until) };
}

// runs: [{label, dash, colour, record, stale, seen}]; ghosts: [{xs, ys, dash, rate}].
export function paintLosses(chart, { runs, ghosts, steps, step, scrub }) {
  const [least, most] = spanOf(runs.map(({ seen }) => seen.ys));
  const low = LOSS_ENDS[0].find((v) => v <= least) ?? LOSS_ENDS[0].at(-1);
  const high = LOSS_ENDS[1].find((v) => v >= most) ?? LOSS_ENDS[1].at(-1);
  const held = (ys) => ys.map((v) => (Number.isFinite(v) ? Math.max(low, v) : NaN));
  const marks = [{ kind: "vertical", x: step, style: "quiet", name: "step" }];
  let lost = 0;
  for (const { xs, ys, dash, rate } of ghosts) marks.push({ kind: "line", style: "ghost", xs, ys: held(ys), dash, label: `η = ${readable(rate)}` });
  for (const { label, name, dash, colour, seen: { bad, xs, ys }, record, stale } of runs) {
    const look = stale ? { style: "ghost" } : { colour };
    marks.push({ kind: "line", xs, ys: held(ys), dash, name, label: bad < 0 && record.done ? label : undefined, ...look });
    if (bad < 0) continue;
    const loss = record.loss[bad];
    marks.push({ kind: "cross", x: bad, y: Number.isFinite(loss) ? loss : high, label, row: lost++, ...look });
  }
  chart.draw({
    x: { domain: [0, steps], label: "step" }, y: { domain: [low, high], kind: "log", label: "validation loss" }, marks, scrub,
    readout(place) {
      const rows = runs.map(({ label, seen: { xs, ys } }) => {
        const k = xs.reduce((best, x, i) => (Math.abs(x - place) < Math.abs(xs[best] - place) ? i : best), 0);
        return { label, x: xs[k], y: ys[k] };
      }).filter(({ y }) => Number.isFinite(y)).sort((a, b) => a.y - b.y);
      const [best] = rows;
      return best ? { x: best.x, y: Math.max(low, best.y), text: `step ${best.x}: lowest ${best.label}, ${readable(best.y)}` } : null;
    },
  });
}

// A run's spread nearest to a step: {step, values: the quantiles 5, 25, 50, 75, 95 %, idle: the share without a gradient}.
export function spreadNear({ spread, spreadSteps }, step) {
  const at = spreadSteps ?? spread.map((_, t) => t + 1);
  if (!at.length) return null;
  const k = at.reduce((best, s, i) => (Math.abs(s - step) < Math.abs(at[best] - step) ? i : best), 0);
  return { step: at[k], values: spread[k].slice(0, 5), idle: spread[k][5] };
}

const known = ({ values }) => Number.isFinite(values[2]); // not every rule has a rate for each parameter

// Whole decades that hold the effective rates of all runs, and the rates that they were given.
function decadesOf(runs) {
  const [least, most] = spanOf([SPREAD_LEAST, ...runs.map(({ record, rate }) => [rate, ...record.spread.flatMap((row) => row.slice(0, 5))])]);
  return [10 ** Math.max(-8, Math.floor(Math.log10(least) + 1e-9)), 10 ** Math.min(12, Math.ceil(Math.log10(most) - 1e-9))];
}

// The effective rates of each rule on the way: their median, and a band from 5 to 95 %.
export function paintRates(chart, { runs, steps, step, scrub }) {
  const marks = [{ kind: "vertical", x: step, style: "quiet" }];
  for (const { label, name, dash, colour, record, stale, seen } of runs) {
    const own = stale ? { style: "ghost", colour: "var(--lr-ghost)" } : { colour };
    const at = record.spreadSteps ?? record.spread.map((_, t) => t + 1);
    const until = at.filter((s) => seen.bad < 0 || s <= seen.bad).length;
    const column = (k) => record.spread.slice(0, until).map((row) => (row[k] > 0 ? row[k] : NaN));
    const [low, middle, high] = [0, 2, 4].map(column);
    if (!middle.some(Number.isFinite)) continue;
    const first = middle.findIndex(Number.isFinite); // a band has no gaps
    const xs = at.slice(first, until);
    if (low[first] < high[first]) marks.push({ kind: "band", xs, low: low.slice(first), high: high.slice(first), ...own });
    marks.push({ kind: "line", xs, ys: middle.slice(first), dash, label: record.done ? label : undefined, name: `rates_${name}`, ...own });
  }
  chart.draw({
    x: { domain: [0, steps], label: "step" }, y: { domain: decadesOf(runs), kind: "log", label: "effective rate" }, marks, scrub,
    readout(place) {
      const said = runs.map((run) => ({ ...run, near: spreadNear(run.record, place) })).filter(({ near }) => near && known(near));
      if (!said.length) return null;
      return { x: said[0].near.step, text: `step ${said[0].near.step}: medians ${said.map(({ near }) => readable(near.values[2], 2)).join(", ")}` };
    },
  });
}

// What each run did at one update, in words and numbers.
export function tellUpdate(table, { runs, step }) {
  const head = [`At update ${step}`, "minibatch loss before it", "update ÷ weights", "effective rate: median (5 to 95 %)"];
  const rows = runs.map(({ label, record, seen }) => {
    if (seen.bad >= 0 && seen.bad < step) return [label, "diverged", "", ""];
    const near = spreadNear(record, step);
    const rates = near && known(near) ? `${readable(near.values[2], 2)} (${readable(near.values[0], 2)} to ${readable(near.values[4], 2)})` : "—";
    const told = near && near.step !== step && known(near) ? `${rates}, at ${near.step}` : rates;
    const at = (values) => (step <= values.length ? readable(values[step - 1]) : "…"); // … while it still trains
    return [label, at(record.loss), at(record.ratio), told];
  });
  const cells = (row, tag) => row.map((text, k) => html(k ? tag : "th", k ? {} : { scope: tag === "th" ? "col" : "row" }, text));
  const lines = [html("thead", {}, html("tr", {}, ...cells(head, "th"))), html("tbody", {}, ...rows.map((row) => html("tr", {}, ...cells(row, "td"))))];
  table.replaceChildren(...lines);
}

export function paintSpread(chart, { runs, step }) {
  const found = runs.map((run) => ({ ...run, near: run.seen.bad >= 0 && run.seen.bad < step ? null : spreadNear(run.record, step) }));
  const ends = decadesOf(runs);
  const marks = [];
  found.forEach(({ label, name, colour, rate, near, stale }, row) => {
    const y = row + 0.72;
    const own = stale ? { style: "ghost" } : { colour };
    const [low, quarter, middle, threeQuarters, high] = near?.values ?? [];
    const says = !near ? ": diverged" : known(near) ? `: median ${readable(middle, 2)}` : "";
    marks.push({ kind: "text", x: ends[0], y: row + 0.38, label: `${label}, η = ${readable(rate)}${says}`, style: "lrlab-row-name" });
    if (near && !known(near)) marks.push({ kind: "text", x: ends[0], y: row + 0.8, label: "no rate for each parameter" });
    else marks.push({ kind: "line", style: "tick", xs: [rate, rate], ys: [y - 0.17, y + 0.17] });
    if (!near || !known(near)) return;
    marks.push({ kind: "line", xs: [low, high], ys: [y, y], name: `spread_${name}`, ...own });
    marks.push({ kind: "line", xs: [quarter, threeQuarters], ys: [y, y], ...own, style: "strip" });
    marks.push({ kind: "dot", x: middle, y, colour: stale ? "var(--lr-ghost)" : colour });
  });
  const shown = found.find(({ near }) => near)?.near.step ?? step;
  chart.draw({
    x: { domain: ends, kind: "log", label: "effective rate; the tick is η" },
    y: { domain: [Math.max(1, runs.length), 0], bare: true, label: `effective rates after ${shown} ${shown === 1 ? "step" : "steps"}` },
    marks,
    readout(_, place) {
      const { near } = found[Math.floor(place)] ?? {};
      if (!near || !known(near)) return null;
      return { text: `5 % below ${readable(near.values[0], 2)}, 5 % above ${readable(near.values[4], 2)}; ${readable(100 * near.idle, 2)} % idle` };
    },
  });
}
