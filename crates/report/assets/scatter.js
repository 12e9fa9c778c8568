// Thousands of points on a canvas: drawn once, found through a grid.

/** Side of a cell of the index, in pixels: points nearer than this are found. */
const CELL = 14;

class Scatter {
  /** `base` holds the points, `over` what changes as the pointer moves. */
  constructor(base, over) {
    this.base = base;
    this.over = over;
    this.points = [];
    this.axes = { x: { low: 0, high: 1, label: "" }, y: { low: 0, high: 1, label: "" } };
  }

  /** Margins of the plot in pixels; `strip` is the height of the band of failed trainings. */
  get frame() {
    const { width, height } = this.size;
    return { left: 46, top: 12, right: width - 12, bottom: height - 82, strip: 30 };
  }

  resize() {
    const box = this.base.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    this.size = { width: box.width, height: box.height };
    for (const canvas of [this.base, this.over]) {
      canvas.width = Math.round(box.width * ratio);
      canvas.height = Math.round(box.height * ratio);
      canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    }
  }

  /** Points are {x, y, id, on, failed, label}; y is null where failed. */
  set(points, axes) {
    this.points = points;
    this.axes = axes;
    this.place();
  }

  place() {
    const { left, right, top, bottom, strip } = this.frame;
    const along = (axis, value) => (value - axis.low) / (axis.high - axis.low || 1);
    this.grid = new Map();
    for (const point of this.points) {
      point.px = left + along(this.axes.x, point.x) * (right - left);
      point.py = point.failed ? bottom + 12 + point.jitter * (strip - 8) : bottom - along(this.axes.y, point.y) * (bottom - top);
      const key = this.key(point.px, point.py);
      if (!this.grid.has(key)) this.grid.set(key, []);
      this.grid.get(key).push(point);
    }
  }

  key(x, y) {
    return Math.floor(x / CELL) * 4096 + Math.floor(y / CELL);
  }

  /** The point nearest to a place, at most a cell away; those that match come first. */
  pick(x, y) {
    let [best, least] = [null, Infinity];
    for (let dx = -CELL; dx <= CELL; dx += CELL) {
      for (let dy = -CELL; dy <= CELL; dy += CELL) {
        for (const point of this.grid.get(this.key(x + dx, y + dy)) || []) {
          const distance = Math.hypot(point.px - x, point.py - y) + (point.on ? 0 : CELL);
          if (distance < least && Math.hypot(point.px - x, point.py - y) <= CELL) [best, least] = [point, distance];
        }
      }
    }
    return best;
  }

  draw() {
    const colours = getComputedStyle(document.documentElement);
    const colour = (name) => colours.getPropertyValue(name).trim();
    this.colour = colour;
    const context = this.base.getContext("2d");
    context.clearRect(0, 0, this.size.width, this.size.height);
    this.drawAxes(context);
    const off = this.points.filter((point) => !point.on);
    const on = this.points.filter((point) => point.on);
    // Few matches stand out by size.
    const radius = on.length > 1500 ? 2.2 : on.length > 200 ? 2.8 : 3.6;
    this.dots(context, off.filter((point) => !point.failed), colour("--soft"), 0.16, 1.8);
    this.dots(context, off.filter((point) => point.failed), colour("--bad"), 0.1, 1.5);
    this.dots(context, on.filter((point) => !point.failed), colour("--accent"), on.length > 1500 ? 0.5 : 0.75, radius);
    this.dots(context, on.filter((point) => point.failed), colour("--bad"), on.length > 1500 ? 0.4 : 0.75, Math.min(radius, 2.6));
    context.font = "600 12px system-ui, sans-serif";
    context.textAlign = "left";
    const labelled = this.points.filter((point) => point.label && !point.failed).sort((a, b) => a.py - b.py);
    let last = -Infinity;
    for (const point of labelled) {
      // One below the other where they would lie on one another.
      const y = Math.max(point.py + 4, last + 13);
      const width = context.measureText(point.label).width;
      const x = point.px + 8 + width > this.frame.right ? point.px - 8 - width : point.px + 8;
      context.strokeStyle = colour("--card");
      context.lineWidth = 3.5;
      context.strokeText(point.label, x, y);
      context.fillStyle = colour("--ink");
      context.fillText(point.label, x, y);
      context.lineWidth = 1.5;
      context.strokeStyle = colour("--ink");
      context.beginPath();
      context.arc(point.px, point.py, 4, 0, 7);
      context.stroke();
      last = y;
    }
  }

  dots(context, points, colour, alpha, radius) {
    context.fillStyle = colour;
    context.globalAlpha = alpha;
    for (const point of points) {
      context.beginPath();
      context.arc(point.px, point.py, radius, 0, 7);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  drawAxes(context) {
    const { left, right, top, bottom, strip } = this.frame;
    const colour = this.colour;
    context.font = "12px system-ui, sans-serif";
    context.lineWidth = 1;
    const grid = (x1, y1, x2, y2) => {
      context.strokeStyle = colour("--line");
      context.beginPath();
      context.moveTo(x1, y1);
      context.lineTo(x2, y2);
      context.stroke();
    };
    context.fillStyle = colour("--soft");
    const { x, y } = this.axes;
    for (const value of ticks(x.low, x.high, Math.max(3, (right - left) / 90))) {
      const px = left + (value - x.low) / (x.high - x.low) * (right - left);
      grid(px, top, px, bottom);
      context.textAlign = "center";
      context.fillText(grouped(value), px, bottom + strip + 24);
    }
    for (const value of ticks(y.low, y.high, 7)) {
      const py = bottom - (value - y.low) / (y.high - y.low) * (bottom - top);
      grid(left, py, right, py);
      context.textAlign = "right";
      context.fillText(String(value), left - 7, py + 4);
    }
    context.fillStyle = colour("--faint");
    context.fillRect(left, bottom + 6, right - left, strip);
    context.fillStyle = colour("--soft");
    context.textAlign = "right";
    context.fillText("failed", left - 5, bottom + 6 + strip / 2 + 4);
    context.textAlign = "center";
    context.fillText(x.label, (left + right) / 2, bottom + strip + 44);
    context.save();
    context.translate(12, (top + bottom) / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(y.label, 0, 0);
    context.restore();
  }

  /** Rings around the chosen point and the one under the pointer. */
  mark(chosen, hovered) {
    const context = this.over.getContext("2d");
    context.clearRect(0, 0, this.size.width, this.size.height);
    for (const [point, colour, radius] of [[hovered, "--ink", 6], [chosen, "--warm", 7]]) {
      if (!point) continue;
      context.strokeStyle = this.colour(colour);
      context.lineWidth = 2.5;
      context.beginPath();
      context.arc(point.px, point.py, radius, 0, 7);
      context.stroke();
    }
  }
}

/** Round numbers between two, about as many as asked for. */
function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + 1e-9; value += step) found.push(Number(value.toFixed(6)));
  return found;
}
