// The answer to a question as a mark on an axis: set by hand or by keys, then compared with the true place.
import { html, rich } from "../hosting/dom.js";
import { Chart, readable } from "../drawing/drawing.js";

const PER_DECADE = 20; // places in each factor of ten that the keyboard reaches
const PLACES = 100; // and along a linear axis, about
const LEAP = 5; // places that a page key passes

// Places of an axis: count of them, value(i) as it is shown and used, and index(value), the nearest.
export function placesOf({ low, high, log }) {
  if (log) {
    const decades = Math.log10(high / low);
    const count = Math.round(decades * PER_DECADE);
    return {
      count,
      value: (i) => (i <= 0 ? low : i >= count ? high : Number((low * 10 ** ((i / count) * decades)).toPrecision(2))),
      index: (v) => Math.min(count, Math.max(0, (Math.log10(v / low) / decades) * count)),
    };
  }
  const rough = (high - low) / PLACES;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((d) => d * unit >= rough * 0.999);
  const count = Math.ceil((high - low) / step - 1e-9);
  return {
    count,
    value: (i) => Number(Math.min(high, low + Math.max(0, i) * step).toPrecision(12)),
    index: (v) => Math.min(count, Math.max(0, (v - low) / step)),
  };
}

// How far off a mark is, in words.
export function verdictOn(said, { x, right, near }) {
  const hit = said >= near[0] && said <= near[1];
  const truth = right === null ? `anything from ${readable(near[0])} to ${readable(near[1])} counts` : `it is ${readable(right)}`;
  const to = right ?? (said < near[0] ? near[0] : near[1]);
  const factor = readable(Math.max(said / to, to / said), 2);
  const distance = readable(Math.abs(said - to), 2);
  const off = x.log ? `off by a factor of ${factor}` : `off by ${distance}`;
  const nothing = right === null ? hit : x.log ? factor === "1" : distance === "0";
  const text = `You said ${readable(said)}; ${truth}${nothing ? "." : `: ${off}${hit ? ", near enough." : "."}`}`;
  return { hit, text };
}

// The curve's height at a place of x, on the straight lines that the chart draws between its points.
function heightAt({ x, y, xs, ys }, place) {
  const k = xs.findIndex((v) => v >= place);
  if (k < 0 || (k === 0 && xs[0] > place)) return null;
  if (xs[k] === place) return ys[k];
  const [a, b] = [ys[k - 1], ys[k]];
  if (a === null || b === null) return null;
  const along = x.log ? Math.log(place / xs[k - 1]) / Math.log(xs[k] / xs[k - 1]) : (place - xs[k - 1]) / (xs[k] - xs[k - 1]);
  return y.log ? a * (b / a) ** along : a + along * (b - a);
}

export function renderMark({ body, commit, status, id, life }, mark) {
  const { x, y, reason, right, near } = mark;
  const kind = ({ log }) => (log ? "log" : "linear");
  const places = placesOf(x);
  const ys = mark.ys.map((v) => v ?? NaN);
  const chart = new Chart(body, life, { height: 260, label: `${y.label} against ${x.label}`, right: 20 });
  const handle = chart.root;
  let said = null;
  let revealed = false;

  function picture() {
    const marks = [];
    if (revealed) marks.push({ kind: "band", xs: near, low: [y.low, y.low], high: [y.high, y.high] });
    if (revealed || mark.shown) marks.push({ kind: "line", style: "plain", xs: mark.xs, ys, name: "curve" });
    if (revealed && right !== null) marks.push({ kind: "vertical", x: right, label: `it is ${readable(right)}`, name: "right" });
    if (said !== null) {
      const height = revealed || mark.shown ? heightAt(mark, said) : null;
      const side = revealed && said < right && places.index(said) > places.count / 3 ? "left" : undefined; // not across the true place
      const label = `${revealed ? "you said" : "your mark:"} ${readable(said)}`;
      marks.push({ kind: "vertical", x: said, label, side, row: 1, style: "now", name: "mark" });
      marks.push({ kind: "dot", x: said, y: height ?? y.low, style: revealed ? "" : "start" });
    }
    return { x: { domain: [x.low, x.high], kind: kind(x), label: x.label }, y: { domain: [y.low, y.high], kind: kind(y), label: y.label }, marks };
  }
  const draw = () => chart.draw(picture());

  const set = (place) => {
    said = places.value(Math.round(place));
    handle.setAttribute("aria-valuenow", String(said));
    handle.setAttribute("aria-valuetext", readable(said));
    commit.disabled = false;
    draw();
  };
  const press = (event) => set(places.index(chart.at(event)[0]));
  const step = ({ key }) => {
    const here = said === null ? places.count / 2 : places.index(said);
    const leaps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -LEAP, PageUp: LEAP };
    if (key === "Home") return 0;
    if (key === "End") return places.count;
    return key in leaps ? (said === null ? here : Math.round(here) + leaps[key]) : null;
  };
  const onDown = (event) => {
    handle.setPointerCapture(event.pointerId);
    press(event);
  };
  const onMove = (event) => handle.hasPointerCapture(event.pointerId) && press(event);
  const onKey = (event) => {
    const place = step(event);
    if (place === null) return;
    event.preventDefault();
    set(place);
  };
  const listeners = { pointerdown: onDown, pointermove: onMove, keydown: onKey };
  const middle = places.value(Math.round(places.count / 2));
  const slider = {
    role: "slider", tabindex: "0", "aria-label": x.label, "aria-describedby": id, "aria-orientation": "horizontal",
    "aria-valuemin": String(x.low), "aria-valuemax": String(x.high), "aria-valuenow": String(middle), "aria-valuetext": "not set yet",
  };
  for (const [name, listener] of Object.entries(listeners)) life.listen(handle, name, listener);
  for (const [name, value] of Object.entries(slider)) handle.setAttribute(name, value);
  handle.classList.add("lrlab-settable");
  status.textContent = "Set your mark: press in the figure, drag, or use the arrow keys.";
  draw();

  return {
    read: () => said,
    reveal(answer) {
      [said, revealed] = [answer, true];
      for (const [name, listener] of Object.entries(listeners)) handle.removeEventListener(name, listener);
      for (const name of Object.keys(slider)) handle.removeAttribute(name);
      handle.classList.remove("lrlab-settable");
      const { hit, text } = verdictOn(said, mark);
      handle.setAttribute("role", "img");
      handle.setAttribute("aria-label", `${y.label} against ${x.label}. ${text}`);
      status.replaceChildren(html("strong", {}, hit ? "Right. " : "Not so. "), text);
      status.after(html("p", { class: "lrlab-reason" }, ...rich(reason)));
      draw();
    },
  };
}
