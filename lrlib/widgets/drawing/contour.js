// Level lines of a function of two variables, on a canvas under a chart.

// Levels that crowd near the minimum: even steps in the logarithm of the height above it.
export function levelsOf(values, count = 14) {
  let low = Infinity;
  let high = -Infinity;
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  const span = high - low;
  return Array.from({ length: count }, (_, i) => low + span * 10 ** (-3.2 + (3.2 * (i + 0.5)) / count));
}

// Marching squares: segments [x0, y0, x1, y1, …] in grid units of the level line of values (rows, columns).
export function levelLine(values, columns, level) {
  const segments = [];
  const rows = values.length / columns;
  const cut = (a, b) => (level - a) / (b - a);
  for (let r = 0; r + 1 < rows; r++) {
    for (let c = 0; c + 1 < columns; c++) {
      const i = r * columns + c;
      const [a, b, d, e] = [values[i], values[i + 1], values[i + columns], values[i + columns + 1]];
      const points = [];
      if (a < level !== b < level) points.push(c + cut(a, b), r);
      if (b < level !== e < level) points.push(c + 1, r + cut(b, e));
      if (d < level !== e < level) points.push(c + cut(d, e), r + 1);
      if (a < level !== d < level) points.push(c, r + cut(a, d));
      for (let k = 0; k + 3 < points.length; k += 4) segments.push(...points.slice(k, k + 4));
    }
  }
  return segments;
}

// Draws the level lines of values, a grid (rows, columns) whose first row lies at the bottom, filling the chart's frame.
export function drawContour(chart, values, columns) {
  const { width, height } = chart.box;
  const dense = window.devicePixelRatio || 1;
  const { canvas } = chart;
  canvas.width = Math.round(width * dense);
  canvas.height = Math.round(height * dense);
  const pen = canvas.getContext("2d");
  pen.scale(dense, dense);
  pen.strokeStyle = getComputedStyle(chart.figure).getPropertyValue("--lr-ghost");
  const rows = values.length / columns;
  const [sx, sy] = [width / (columns - 1), height / (rows - 1)];
  const levels = levelsOf(values);
  levels.forEach((level, k) => {
    pen.globalAlpha = 0.95 - (0.5 * k) / levels.length;
    pen.beginPath();
    const s = levelLine(values, columns, level);
    for (let i = 0; i < s.length; i += 4) {
      pen.moveTo(s[i] * sx, height - s[i + 1] * sy);
      pen.lineTo(s[i + 2] * sx, height - s[i + 3] * sy);
    }
    pen.stroke();
  });
}
