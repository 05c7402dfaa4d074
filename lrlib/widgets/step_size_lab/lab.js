// The step-size lab: a descent on a surface, its path and its height against the step.
import { drawContour } from "../drawing/contour.js";
import { rateColour, readable } from "../drawing/drawing.js";
import { IN_BROWSER, ONLY_RECORDED, byKernel, makeFrame, makeGhosts, oncePerFrame, rateScale, watchKernel } from "../hosting/lab.js";
import { unpack } from "../hosting/packing.js";
import { canCompute, divergedAt, makeDescent, programLibrary } from "../trainer/wasm_runner.js";

const SHALLOWEST = 1e-8; // the height axis ends so far below the start

// The rate above which a rule diverges on a quadratic of this curvature, with the formula as its label; null for rules without one.
function edgeOf(edge, beta, curvature) {
  if (!edge || !(curvature > 0)) return null;
  const { label, over: [a, b], under: [c, d] } = edge;
  return { value: (2 * (a + b * beta)) / ((c + d * beta) * curvature), label };
}

function nearest(minima, point) {
  const distance = ({ point: p }) => p.reduce((sum, x, i) => sum + (x - point[i]) ** 2, 0);
  return minima.reduce((best, m) => (distance(m) < distance(best) ? m : best));
}

async function render({ model, el }) {
  const config = model.get("config");
  const host = model.get("host");
  const live = host === "page" && canCompute();
  const program = programLibrary(config.programs ?? {});
  const rateSpec = config.controls.find(({ name }) => name === "learning_rate");
  const span = [rateSpec.minimum, rateSpec.maximum];
  let start = null; // null: the surface's own
  let shownSurface = null;
  let result = null;

  const frame = makeFrame({ el, config, host, label: "Step-size lab", changed: onControl });
  const scale = host === "kernel" ? rateScale(frame, rateSpec) : null;
  const map = frame.chart({ height: 330, label: "The surface and the path of the descent", canvas: true, equal: 0.95 });
  const curve = frame.chart({ height: 330, label: "Height above the minimum against the step", right: 84 });
  const ghosts = makeGhosts(frame, paint);
  const settings = () => (frame.controls ? frame.controls.values() : model.get("settings"));
  const surfaceOf = (name) => config.surfaces.find((surface) => surface.name === name);

  // What is drawn: {points (steps + 1) × d, losses (steps + 1), settings, source}.
  async function compute(now) {
    const surface = surfaceOf(now.surface);
    const from = start ?? surface.start;
    if (!live) return recorded(now);
    const [gradient, rule] = await Promise.all([program(`surface:${now.surface}`), program(`rule:${now.rule}`)]);
    const descent = makeDescent(gradient, rule, { params: from, momentum: now.momentum });
    const d = surface.dimension;
    const points = new Float64Array((now.steps + 1) * d);
    const losses = new Float64Array(now.steps + 1);
    for (let t = 0; t <= now.steps; t++) {
      losses[t] = descent.look();
      points.set(descent.params, t * d);
      if (t < now.steps) descent.move(now.learning_rate);
    }
    return { points, losses, now, source: IN_BROWSER };
  }

  // Without WebAssembly: the recorded descent whose rate is nearest.
  function recorded(now) {
    const { rates, points, losses, settings: fixed } = config.recorded;
    const gap = (rate) => Math.abs(Math.log(rate / now.learning_rate));
    const k = rates.reduce((best, rate, i) => (gap(rate) < gap(rates[best]) ? i : best), 0);
    const d = surfaceOf(fixed.surface).dimension;
    const steps = fixed.steps + 1;
    return {
      points: unpack(points).subarray(k * steps * d, (k + 1) * steps * d), losses: unpack(losses).subarray(k * steps, (k + 1) * steps),
      now: { ...fixed, learning_rate: rates[k] }, source: ONLY_RECORDED,
    };
  }

  let grid = null;
  async function showSurface(name) {
    const surface = surfaceOf(name);
    const [xs, ys] = surface.bounds;
    const count = surface.dimension === 1 ? [config.grid.curve, 1] : [config.grid.contour, config.grid.contour];
    if (!live) grid = unpack(model.get("backdrop").grid);
    else {
      const gradient = await program(`surface:${name}`);
      grid = new Float64Array(count[0] * count[1]);
      for (let r = 0; r < count[1]; r++) {
        for (let c = 0; c < count[0]; c++) {
          gradient.ports.params[0] = xs[0] + ((xs[1] - xs[0]) * c) / (count[0] - 1);
          if (ys) gradient.ports.params[1] = ys[0] + ((ys[1] - ys[0]) * r) / (count[1] - 1);
          gradient.run();
          grid[r * count[0] + c] = gradient.ports.loss[0];
        }
      }
    }
    shownSurface = name;
    ghosts.clear();
  }

  const contourKey = () => `${shownSurface} ${JSON.stringify(map.box)} ${getComputedStyle(el).getPropertyValue("--lr-ghost")}`;
  let drawnContour = "";

  function paint() {
    const { points, losses, now, source } = result;
    const surface = surfaceOf(now.surface);
    const { dimension: d, bounds, floor } = surface;
    const from = Array.from(points.subarray(0, d));
    const steps = losses.length - 1;
    const bad = divergedAt(losses, config.threshold);
    const last = bad < 0 ? steps : bad;
    const colour = rateColour(now.learning_rate, span);
    const heights = Array.from(losses, (loss) => loss - floor);
    const first = Math.max(heights[0], 1e-6);

    const xs = [];
    const ys = [];
    for (let t = 0; t <= last; t++) {
      xs.push(points[t * d]);
      ys.push(d === 1 ? losses[t] : points[t * d + 1]);
    }
    const marks = [];
    const [low, high] = d === 1 && grid ? [Math.min(...grid), Math.max(...grid)] : bounds[1] ?? [0, 1];
    const pad = d === 1 ? (high - low) * 0.06 : 0;
    if (d === 1) {
      const [a, b] = bounds[0];
      if (grid) marks.push({ kind: "line", style: "level", xs: Array.from(grid, (_, i) => a + ((b - a) * i) / (grid.length - 1)), ys: grid });
    } else {
      for (const { point } of surface.minima) marks.push({ kind: "dot", style: "minimum", x: point[0], y: point[1] });
      for (const point of surface.saddles) marks.push({ kind: "dot", style: "saddle", x: point[0], y: point[1] });
    }
    marks.push({ kind: "line", style: "thin", xs, ys, colour, points: steps <= 120, name: "path" });
    if (bad >= 0) {
      const inside = (t) => xs[t] >= bounds[0][0] && xs[t] <= bounds[0][1] && ys[t] >= low - pad && ys[t] <= high + pad;
      const out = xs.findIndex((_, t) => !inside(t));
      if (out >= 0) marks.push({ kind: "cross", x: xs[out], y: ys[out], colour });
    }
    marks.push({ kind: "dot", style: "start", x: from[0], y: d === 1 ? losses[0] : from[1] });
    map.draw({
      x: { domain: bounds[0], label: d === 1 ? "w" : "w_{1}" },
      y: { domain: [low - pad, high + pad], label: d === 1 ? "loss" : "w_{2}" },
      marks,
    });
    if (d === 2 && grid && drawnContour !== contourKey()) {
      drawContour(map, grid, config.grid.contour);
      drawnContour = contourKey();
    }
    if (d === 1) drawnContour = "";
    map.canvas.hidden = d === 1;

    const floorShown = first * SHALLOWEST;
    const at = Array.from({ length: last + 1 }, (_, t) => t);
    const shown = heights.slice(0, last + 1).map((h) => (h > floorShown ? h : Number.isFinite(h) ? floorShown / 100 : NaN));
    ghosts.offer({ xs: at, ys: shown, label: readable(now.learning_rate) });
    const over = [...ghosts.list().map((old) => ({ kind: "line", style: "ghost", xs: old.xs, ys: old.ys, label: old.label }))];
    const label = `η = ${readable(now.learning_rate)}`;
    over.push({ kind: "line", xs: at, ys: shown, colour, label: bad < 0 ? label : undefined, name: "loss" });
    if (bad >= 0) over.push({ kind: "cross", x: bad, y: Infinity > heights[bad] ? heights[bad] : first * 1e6, colour, label: `step ${bad}` });
    curve.draw({
      x: { domain: [0, steps], label: "step" },
      y: { domain: [floorShown, first * 1e3], kind: "log", label: "height above the minimum" },
      marks: over,
      readout(x) {
        const t = Math.min(last, Math.max(0, Math.round(x)));
        return { x: t, y: Math.max(shown[t], floorShown), text: `step ${t}: ${readable(heights[t])}` };
      },
    });

    const target = nearest(surface.minima, from);
    const edge = edgeOf(config.edges[now.rule], now.momentum, target.curvature);
    const edges = edge ? [edge] : [];
    if (frame.controls) frame.controls.control("learning_rate").mark(edges);
    scale?.draw(now.learning_rate, edges);
    const beyond = edge && now.learning_rate > edge.value ? `, above ${edge.label} = ${readable(edge.value)}` : "";
    const verdict = bad >= 0
      ? `diverged at step ${bad}${beyond}.`
      : `height ${readable(heights[steps])} above the minimum after ${steps} steps.`;
    frame.say(source, `η = ${readable(now.learning_rate)}: ${verdict}`);
    el.dataset.settings = JSON.stringify(now);
    el.dataset.start = JSON.stringify(from);
    el.dataset.loss = String(losses[steps]);
  }

  let asked = 0;
  async function update() {
    const mine = ++asked;
    const now = settings();
    if (frame.controls) frame.controls.show("momentum", config.with_momentum.includes(now.rule));
    const next = host === "kernel" ? fromKernel() : await compute(now);
    if (!next || mine !== asked || frame.life.over) return;
    if (next.now.surface !== shownSurface) await showSurface(next.now.surface);
    if (mine !== asked || frame.life.over) return;
    result = next;
    paint();
  }
  function fromKernel() {
    const { points, losses, settings: used, device } = model.get("result");
    if (!points) return null;
    return { points: unpack(points), losses: unpack(losses), now: used, source: byKernel(device) };
  }
  const soon = oncePerFrame(update, frame.life);
  function onControl(name) {
    if (name === "surface") start = null;
    soon();
  }

  const moveTo = (point) => {
    const { bounds, dimension } = surfaceOf(settings().surface);
    start = point.slice(0, dimension).map((x, i) => Math.min(bounds[i][1], Math.max(bounds[i][0], Number(x.toPrecision(4)))));
    if (host === "kernel") {
      model.set("start", start);
      model.save_changes();
    } else if (live) soon();
  };
  if (live || host === "kernel") {
    const handle = map.root;
    handle.classList.add("lrlab-drag");
    handle.setAttribute("tabindex", "0");
    handle.setAttribute("aria-label", "The surface and the path of the descent; drag, or press arrow keys, to move the starting point");
    frame.life.listen(handle, "pointerdown", (event) => {
      if (!result) return;
      handle.setPointerCapture(event.pointerId);
      moveTo(map.at(event));
    });
    frame.life.listen(handle, "pointermove", (event) => handle.hasPointerCapture(event.pointerId) && moveTo(map.at(event)));
    frame.life.listen(handle, "keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
      if (!way || !result) return;
      event.preventDefault();
      const { bounds, dimension } = surfaceOf(settings().surface);
      const here = result.points.subarray(0, dimension);
      moveTo(Array.from(here, (x, i) => x + way[i] * (bounds[i][1] - bounds[i][0]) * 0.02));
    });
  } else if (frame.controls) frame.controls.only("learning_rate");
  if (host === "kernel") {
    watchKernel(model, frame);
    frame.life.follow(model, "change:result", soon);
    frame.life.follow(model, "change:settings", () => scale.draw(model.get("settings").learning_rate, []));
  }
  await update();
  return frame.life.end;
}

export default { render };
