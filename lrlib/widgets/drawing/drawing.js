// Charts in SVG: axes with few ticks, lines, bands, crosses, labels at the lines themselves, a read-out under the pointer.
const SVG = "http://www.w3.org/2000/svg";
const FONT = 12; // px; charts are laid out in real pixels, so text keeps its size on every screen

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Text in which "_{…}" is a subscript, as children of an SVG text element.
export function subscripted(text) {
  const [head, ...rest] = text.split("_{");
  return [head, ...rest.flatMap((piece) => {
    const end = piece.indexOf("}");
    const low = svg("tspan", { dy: 3, "font-size": "80%" }, piece.slice(0, end));
    return [low, svg("tspan", { dy: -3 }, piece.slice(end + 1) || "\u200b")];
  })];
}

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

// A number for reading: three significant digits, powers of ten where zeros would have to be counted.
export function readable(value, digits = 3) {
  if (value === Infinity || value === -Infinity) return value > 0 ? "∞" : "−∞";
  if (!Number.isFinite(value)) return "not a number";
  if (value === 0) return "0";
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  if (magnitude >= -3 && magnitude < 5) return String(Number(value.toPrecision(digits))).replace("-", "−");
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  const power = "10" + [...String(Number(exponent))].map((c) => SUPERSCRIPT[c]).join("");
  const shown = String(Number(mantissa)).replace("-", "−");
  return shown === "1" ? power : `${shown} × ${power}`;
}

// A scale maps data to pixels: {domain: [low, high], kind: "linear" | "log"}.
export function makeScale({ domain, kind = "linear" }, from, to) {
  const forward = kind === "log" ? (v) => Math.log10(Math.max(v, 1e-300)) : (v) => v;
  const low = forward(domain[0]);
  const span = forward(domain[1]) - low || 1;
  const scale = (value) => from + ((forward(value) - low) / span) * (to - from);
  scale.invert = (pixel) => {
    const value = low + ((pixel - from) / (to - from)) * span;
    return kind === "log" ? 10 ** value : value;
  };
  return scale;
}

export function ticks({ domain, kind = "linear" }, most = 5) {
  const [low, high] = domain;
  if (kind === "log") {
    const first = Math.ceil(Math.log10(low) - 1e-9);
    const last = Math.floor(Math.log10(high) + 1e-9);
    if (last - first >= 1) {
      const stride = Math.max(1, Math.ceil((last - first + 1) / most));
      const exponents = [];
      for (let e = first; e <= last; e += stride) exponents.push(e);
      return exponents.map((e) => Number(`1e${e}`));
    }
    const fine = [];
    for (let e = first - 1; e <= last + 1; e++) for (const d of [1, 2, 5]) fine.push(Number(`${d}e${e}`));
    return fine.filter((v) => v >= low * (1 - 1e-9) && v <= high * (1 + 1e-9));
  }
  const rough = (high - low) / most;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * ([1, 2, 5, 10].find((d) => d * unit >= rough * 0.999) ?? 10);
  const values = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) values.push(Number((i * step).toPrecision(12)));
  return values;
}

// The colour of a learning rate: its place in the book's map, over log10 of the rate. A CSS value, so it follows the theme.
export function rateColour(rate, [low, high]) {
  const place = (Math.log10(rate / low) / Math.log10(high / low)) * 15;
  const clipped = Math.min(15, Math.max(0, place));
  const below = Math.min(14, Math.floor(clipped));
  const share = Math.round((clipped - below) * 100);
  return `color-mix(in srgb, var(--lr-rate-${below + 1}) ${share}%, var(--lr-rate-${below}))`;
}

// A chart that fills its element's width and is redrawn whole by draw(picture), as often as the screen is:
// picture = {x, y: {domain, kind, label, most, bare?: no line and no ticks}, marks: [...], readout?(x, y) -> {text, x?, y?} | null,
// scrub?(x): called while the picture is dragged}.
// A mark is {kind: "line" | "band" | "cross" | "dot" | "vertical" | "horizontal" | "text", …}; see PAINTERS below.
export class Chart {
  constructor(parent, life, { height, label, right = 14, left = 46, canvas = false, equal = null }) {
    this.layout = { height, right, left, top: 24, bottom: 38, equal };
    this.figure = document.createElement("div");
    this.figure.className = "lrlab-chart";
    if (canvas) {
      this.canvas = document.createElement("canvas");
      this.canvas.setAttribute("aria-hidden", "true");
      this.figure.append(this.canvas);
    }
    this.root = svg("svg", { role: "img", "aria-label": label });
    this.axes = svg("g", { class: "lrlab-axes" });
    this.plot = svg("svg", { overflow: "hidden" }); // an inner svg clips by itself
    this.over = svg("g"); // labels and crosses may reach past the frame
    this.pointer = svg("g", { class: "lrlab-pointer" });
    this.root.append(this.axes, this.plot, this.over, this.pointer);
    this.figure.append(this.root);
    parent.append(this.figure);
    life.listen(this.root, "pointermove", (event) => {
      this.hover(event);
      if (this.root.hasPointerCapture(event.pointerId)) this.picture.scrub?.(this.at(event)[0]);
    });
    life.listen(this.root, "pointerdown", (event) => {
      if (!this.picture?.scrub) return;
      this.root.setPointerCapture(event.pointerId);
      event.preventDefault(); // no text is selected on the way
      this.picture.scrub(this.at(event)[0]);
    });
    life.listen(this.root, "pointerleave", () => this.pointer.replaceChildren());
    life.watchSize(this.figure, () => {
      this.available = this.figure.clientWidth;
      if (this.picture) this.draw(this.picture);
    });
  }

  draw(picture) {
    this.picture = picture;
    this.root.classList.toggle("lrlab-scrubbed", Boolean(picture.scrub));
    const { left, right, top, bottom, equal } = this.layout;
    this.available ??= this.figure.clientWidth; // asked for at each drawing, it would make the browser lay out the page anew
    const width = Math.max(240, this.available || 480);
    const inner = width - left - right;
    const height = equal ? Math.round(Math.min(inner * equal, this.layout.height - top - bottom)) + top + bottom : this.layout.height;
    this.box = { left, top, width: inner, height: height - top - bottom };
    this.x = makeScale(picture.x, 0, this.box.width);
    this.y = makeScale(picture.y, this.box.height, 0);
    const frame = JSON.stringify([width, height, picture.x, picture.y]);
    if (frame !== this.frame) this.drawAxes(width, height, picture);
    this.frame = frame;
    this.plot.replaceChildren();
    this.over.replaceChildren();
    const ends = [];
    for (const mark of picture.marks) PAINTERS[mark.kind](this, mark, ends);
    placeEnds(this, ends);
  }

  drawAxes(width, height, { x, y }) {
    const { left, top, width: w, height: h } = this.box;
    this.root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.root.setAttribute("width", width);
    this.root.setAttribute("height", height);
    for (const [name, value] of Object.entries({ x: left, y: top, width: w, height: h })) this.plot.setAttribute(name, value);
    this.over.setAttribute("transform", `translate(${left} ${top})`);
    this.pointer.setAttribute("transform", `translate(${left} ${top})`);
    if (this.canvas) Object.assign(this.canvas.style, { left: `${left}px`, top: `${top}px`, width: `${w}px`, height: `${h}px` });
    const parts = [svg("path", { d: `M${left} ${top + h + 4}H${left + w}${y.bare ? "" : `M${left - 4} ${top}V${top + h}`}` })];
    for (const value of ticks(x, x.most ?? Math.max(2, Math.min(6, Math.floor(w / 60))))) {
      const at = left + this.x(value);
      parts.push(svg("path", { d: `M${at.toFixed(1)} ${top + h + 4}v4` }));
      parts.push(svg("text", { x: at.toFixed(1), y: top + h + 20, "text-anchor": "middle" }, readable(value)));
    }
    for (const value of y.bare ? [] : ticks(y, y.most ?? Math.max(2, Math.min(5, Math.floor(h / 40))))) {
      const at = top + this.y(value);
      parts.push(svg("path", { d: `M${left - 4} ${at.toFixed(1)}h-4` }));
      parts.push(svg("text", { x: left - 11, y: (at + 4).toFixed(1), "text-anchor": "end" }, readable(value)));
    }
    parts.push(svg("text", { class: "lrlab-axis-name", x: left + w, y: top + h + 34, "text-anchor": "end" }, ...subscripted(x.label)));
    parts.push(svg("text", { class: "lrlab-axis-name", x: 2, y: 12 }, ...subscripted(y.label)));
    this.axes.replaceChildren(...parts);
  }

  // The data value under a pointer event.
  at(event) {
    const box = this.root.getBoundingClientRect();
    return [this.x.invert(event.clientX - box.left - this.box.left), this.y.invert(event.clientY - box.top - this.box.top)];
  }

  hover(event) {
    const found = this.picture?.readout?.(...this.at(event));
    this.pointer.replaceChildren();
    if (!found) return;
    const { width, height } = this.box;
    if (found.x !== undefined && found.y === undefined)
      this.pointer.append(svg("path", { d: `M${this.x(found.x).toFixed(1)} 0V${height}` }));
    if (found.y !== undefined) this.pointer.append(svg("circle", { r: 4, cx: this.x(found.x), cy: this.y(found.y) }));
    this.pointer.append(svg("text", { x: width, y: -10, "text-anchor": "end" }, ...subscripted(found.text)));
  }
}

function pathOf(chart, xs, ys) {
  let path = "";
  let pen = "M";
  const [floor, ceiling] = [-4 * chart.box.height, 5 * chart.box.height]; // keep far-off points within what SVG can hold
  for (let i = 0; i < ys.length; i++) {
    if (!Number.isFinite(ys[i]) || !Number.isFinite(xs[i])) {
      pen = "M";
      continue;
    }
    const x = Math.min(5 * chart.box.width, Math.max(-4 * chart.box.width, chart.x(xs[i])));
    path += `${pen}${x.toFixed(2)} ${Math.min(ceiling, Math.max(floor, chart.y(ys[i]))).toFixed(2)}`;
    pen = "L";
  }
  return path;
}

const PAINTERS = {
  // {xs, ys, colour?, style?: "ghost" | "thin" | "", dash?, label?, points?: bool}
  line(chart, { xs, ys, colour, style = "", dash, label, points, name }, ends) {
    const path = svg("path", { class: `lrlab-line ${style}`, d: pathOf(chart, xs, ys) });
    if (colour) path.style.stroke = colour;
    if (dash) path.setAttribute("stroke-dasharray", dash);
    if (name) path.dataset.name = name;
    chart.plot.append(path);
    if (points) {
      const dots = svg("path", { class: "lrlab-points", d: pathOf(chart, xs, ys).replace(/[ML]([^ML]*)/g, "M$1h0") });
      if (colour) dots.style.stroke = colour;
      chart.plot.append(dots);
    }
    if (!label) return;
    let last = ys.length - 1;
    while (last >= 0 && !(Number.isFinite(ys[last]) && chart.y(ys[last]) >= -1 && chart.y(ys[last]) <= chart.box.height + 1)) last--;
    if (last >= 0) ends.push({ x: chart.x(xs[last]), y: chart.y(ys[last]), label, colour, style });
  },
  // {xs, low, high, colour}
  band(chart, { xs, low, high, colour }) {
    const there = pathOf(chart, xs, high);
    const back = pathOf(chart, [...xs].reverse(), [...low].reverse()).replace("M", "L");
    const area = svg("path", { class: "lrlab-band", d: `${there}${back}Z` });
    if (colour) area.style.fill = colour;
    chart.plot.append(area);
  },
  // {x, y, colour, label?, row?}: where a run diverged; a y beyond the frame stays on its edge; the label so many rows below
  cross(chart, { x, y, colour, label, row = 0, style = "" }) {
    const clamp = (value, most) => Math.min(most, Math.max(0, Number.isFinite(value) ? value : 0));
    const [px, py] = [clamp(chart.x(x), chart.box.width), clamp(chart.y(y), chart.box.height)];
    const cross = svg("path", { class: `lrlab-cross ${style}`, d: `M${px - 5} ${py - 5}l10 10m0 -10l-10 10` });
    if (colour) cross.style.stroke = colour;
    chart.over.append(cross);
    if (label) {
      const after = px < chart.box.width * 0.6;
      chart.over.append(svg("text", { x: px + (after ? 10 : -10), y: py + 4 + row * (FONT + 3), "text-anchor": after ? "start" : "end" }, ...subscripted(label)));
    }
  },
  // {x, y, colour, style?: "start" | "minimum" | "saddle"}
  dot(chart, { x, y, colour, style = "" }) {
    const [px, py] = [chart.x(x), chart.y(y)];
    const node = style === "minimum"
      ? svg("path", { class: "lrlab-dot minimum", d: `M${px - 5} ${py}h10M${px} ${py - 5}v10` })
      : svg("circle", { class: `lrlab-dot ${style}`, cx: px, cy: py, r: style === "start" ? 7 : 3.5 });
    if (colour) node.style.fill = colour;
    chart.over.append(node);
  },
  // {x, label?, row?, side?: "left" | "right"}: a dashed line with its label on it, so many rows below the top
  vertical(chart, { x, label, style = "", row = 0, side, name }) {
    const at = chart.x(x);
    if (!(at >= 0 && at <= chart.box.width)) return;
    const rule = svg("path", { class: `lrlab-rule ${style}`, d: `M${at} 0V${chart.box.height}` });
    if (name) rule.dataset.name = name;
    chart.plot.append(rule);
    const after = side ? side === "right" : at < chart.box.width * 0.7;
    const y = 9 + row * (FONT + 4);
    if (label) chart.over.append(svg("text", { x: at + (after ? 5 : -5), y, "text-anchor": after ? "start" : "end" }, ...subscripted(label)));
  },
  // {x, y, label, anchor?, style?}: words at a point
  text(chart, { x, y, label, anchor = "start", style = "" }) {
    chart.over.append(svg("text", { class: style, x: chart.x(x), y: chart.y(y), "text-anchor": anchor }, ...subscripted(label)));
  },
  horizontal(chart, { y, label, style = "" }) {
    const at = chart.y(y);
    if (!(at >= 0 && at <= chart.box.height)) return;
    chart.plot.append(svg("path", { class: `lrlab-rule ${style}`, d: `M0 ${at}H${chart.box.width}` }));
    if (label) chart.over.append(svg("text", { x: chart.box.width, y: at - 5, "text-anchor": "end" }, ...subscripted(label)));
  },
};

// Labels at the ends of lines, pushed apart so that none covers another.
function placeEnds(chart, ends) {
  ends.sort((a, b) => a.y - b.y);
  let free = FONT / 2;
  for (const end of ends) {
    end.at = Math.max(free, end.y);
    free = end.at + FONT + 2;
  }
  let limit = chart.box.height; // clear of the ticks below
  for (const end of [...ends].reverse()) {
    end.at = Math.min(limit, end.at);
    limit = end.at - FONT - 2;
  }
  for (const { x, at, label, colour, style } of ends) {
    const text = svg("text", { class: `lrlab-end ${style}`, x: Math.min(x, chart.box.width) + 7, y: at + 4 }, ...subscripted(label));
    if (colour) text.style.fill = `color-mix(in srgb, ${colour} 65%, currentColor)`; // lines may be paler than text
    chart.over.append(text);
  }
}
