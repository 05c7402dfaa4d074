// What the doctor says, as elements, and the frame of a chart for losses; both clinics use them.
import { readable } from "../drawing/drawing.js";
import { html } from "../hosting/dom.js";
import { doctor } from "./doctor.js";

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function findingItem({ name, how_sure: sure, statement, evidence, what_to_try: remedies }) {
  const seen = evidence.map(({ feature, value, threshold }) => `${feature} ${readable(value ?? NaN)}, threshold ${readable(threshold ?? NaN)}`);
  return html("li", {},
    html("p", {}, html("strong", {}, name), ` (${sure}): ${statement}`),
    ...(seen.length ? [html("p", { class: "lrlab-seen" }, `Seen: ${seen.join("; ")}.`)] : []),
    ...(remedies.length ? [html("p", { class: "lrlab-seen" }, `To try: ${remedies.map(({ text }) => text).join("; or ")}.`)] : []));
}

// The findings with their evidence; how far to trust them, where that is not measured.
export function findingsList({ findings }) {
  if (!findings.length) return [html("p", {}, `${sentence(doctor.NOTHING)}.`)];
  const trust = findings.some(({ how_sure: sure }) => sure !== "measured") ? [html("p", { class: "lrlab-seen" }, doctor.SCORE)] : [];
  return [html("ul", {}, ...findings.map(findingItem)), ...trust];
}

export const sentenceList = (title, sentences) => (sentences.length ? [html("p", {}, title), html("ul", {}, ...sentences.map((text) => html("li", {}, sentence(text))))] : []);

// The domain of a loss axis that holds these values: logarithmic where all are above 0.
export function lossAxis(series, label, most = 1e3) {
  const all = series.flat().filter(Number.isFinite);
  if (!all.length) return { domain: [0, 1], label };
  let [low, high] = all.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  if (low > 0) {
    high = Math.min(high, most * Math.max(series[0].find(Number.isFinite) ?? high, low)); // what diverges leaves the frame
    return { domain: [0.9 * low, Math.max(1.1 * high, 1.2 * low)], kind: "log", label };
  }
  const room = 0.05 * (high - low || 1);
  return { domain: [low - room, high + room], label };
}
