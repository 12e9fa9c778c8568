// Functions of the search space: value and derivative, as swish_core::activation::eval has them.

const EPS = 1e-7;
const LN2 = Math.log(2);
const TWO_BY_ROOT_PI = 2 / Math.sqrt(Math.PI);
const sigmoid = (x) => { const e = Math.exp(-Math.abs(x)); return x >= 0 ? 1 / (1 + e) : e / (1 + e); };
/** What does not depend on the argument has slope 0 even where the outer slope is infinite. */
const scaled = (slope, inner) => (inner === 0 ? 0 : slope * inner);
const clamped = (x, kept) => (kept || Number.isNaN(x) ? x : 0);

/** Each gives value and derivative. */
const FUNCTIONS = {
  neg: (x) => [-x, -1],
  abs: (x) => [Math.abs(x), Math.sign(x)],
  sqrt: (x) => (x <= 0 ? [0, 0] : [Math.sqrt(x), 0.5 / Math.sqrt(x)]),
  log_abs: (x) => [Math.log(Math.abs(x) + EPS), Math.sign(x) / (Math.abs(x) + EPS)],
  exp: (x) => [Math.exp(x), Math.exp(x)],
  expm1: (x) => [Math.expm1(x), Math.exp(x)],
  sin: (x) => [Math.sin(x), Math.cos(x)],
  cos: (x) => [Math.cos(x), -Math.sin(x)],
  sinh: (x) => [Math.sinh(x), Math.cosh(x)],
  cosh: (x) => [Math.cosh(x), Math.sinh(x)],
  tanh: (x) => [Math.tanh(x), 1 / Math.cosh(x) ** 2],
  asinh: (x) => [Math.abs(x) > 1e10 && Number.isFinite(x) ? Math.sign(x) * (Math.log(Math.abs(x)) + LN2) : Math.asinh(x), 1 / Math.hypot(x, 1)],
  atan: (x) => [Math.atan(x), 1 / (1 + x * x)],
  sinc,
  relu: (x) => [clamped(x, x > 0), x > 0 ? 1 : 0],
  min0: (x) => [clamped(x, x < 0), x > 0 ? 0 : 1],
  sigmoid: (x) => [sigmoid(x), sigmoid(x) * sigmoid(-x)],
  softplus: (x) => [clamped(x, x > 0) + Math.log1p(Math.exp(-Math.abs(x))), sigmoid(x)],
  gauss: (x) => [Math.exp(-x * x), scaled(Math.exp(-x * x), -2 * x)],
  erf: (x) => [erf(x), TWO_BY_ROOT_PI * Math.exp(-x * x)],
};

/** Each gives value and both derivatives; at a tie each side of an extremum takes half. */
const JOINS = {
  "+": (a, b) => [a + b, 1, 1],
  "-": (a, b) => [a - b, 1, -1],
  "*": (a, b) => [a * b, b, a],
  "/": (a, b) => { const d = b + EPS; return [a / d, 1 / d, -(a / d) / d]; },
  max: (a, b) => extremum(a, b, a > b),
  min: (a, b) => extremum(a, b, a < b),
};

function extremum(a, b, first) {
  if (Number.isNaN(a) || Number.isNaN(b)) return [NaN, 0.5, 0.5];
  if (a === b) return [a, 0.5, 0.5];
  return first ? [a, 1, 0] : [b, 0, 1];
}

/** sin(x)/x; near 0 by its series, whose quotient forms lose all digits there. */
function sinc(x) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? [NaN, NaN] : [0, 0];
  if (Math.abs(x) >= 1) {
    const s = Math.sin(x) / x;
    return [s, (Math.cos(x) - s) / x];
  }
  let [term, value, slope] = [1, 1, 0];
  for (let n = 2; n <= 20; n += 2) {
    term *= -x * x / (n * (n + 1));
    value += term;
    slope += n * term;
  }
  return [value, x === 0 ? 0 : slope / x];
}

/** Series up to 3, continued fraction beyond (Abramowitz and Stegun 7.1.6 and 7.1.14). */
function erf(x) {
  const a = Math.abs(x);
  if (Number.isNaN(x) || a >= 6) return Number.isNaN(x) ? NaN : Math.sign(x);
  if (a < 3) {
    let [term, sum] = [x, x];
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n += 1) {
      term *= 2 * a * a / (2 * n + 1);
      sum += term;
    }
    return TWO_BY_ROOT_PI * Math.exp(-a * a) * sum;
  }
  let fraction = a;
  for (let k = 60; k >= 1; k -= 1) fraction = a + k / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-a * a) * TWO_BY_ROOT_PI / 2 / fraction);
}

/** Value and derivative of a program (reverse Polish, as the page's data has it) at x. */
function evaluate(program, x, params) {
  const stack = [];
  for (const word of program.split(" ")) {
    if (word === "x") stack.push([x, 1]);
    else if (word in JOINS) {
      const [b, a] = [stack.pop(), stack.pop()];
      const [value, da, db] = JOINS[word](a[0], b[0]);
      stack.push([value, scaled(da, a[1]) + scaled(db, b[1])]);
    } else if (word in FUNCTIONS) {
      const a = stack.pop();
      const [value, slope] = FUNCTIONS[word](a[0]);
      stack.push([value, scaled(slope, a[1])]);
    } else if (word.startsWith("^")) {
      const [a, n] = [stack.pop(), Number(word.slice(1))];
      let below = 1;
      for (let k = 1; k < n; k += 1) below *= a[0];
      stack.push([below * a[0], scaled(n * below, a[1])]);
    } else stack.push(word.startsWith("p") ? [params[Number(word.slice(1))], 0] : [Number(word), 0]);
  }
  return stack[0];
}

/** How many parameters a program has. */
const parameters = (program) => Math.max(0, ...program.split(" ").filter((word) => /^p\d+$/.test(word)).map((word) => Number(word.slice(1)) + 1));

/** Curve and derivative from -5 to 5, as an SVG. */
function functionPlot(program, params) {
  const [width, height, left, top, right, bottom] = [440, 296, 34, 10, 430, 250];
  const xs = Array.from({ length: 401 }, (_, i) => -5 + i / 40);
  const points = xs.map((x) => [x, ...evaluate(program, x, params)]);
  const seen = points.flatMap(([, value, slope]) => [value, slope]).filter((y) => Number.isFinite(y) && Math.abs(y) <= 8);
  const low = Math.min(-1, Math.floor(Math.min(...seen, 0)));
  const high = Math.max(1, Math.ceil(Math.max(...seen, 0)));
  const px = (x) => left + (x + 5) / 10 * (right - left);
  const py = (y) => bottom - (y - low) / (high - low) * (bottom - top);
  const path = (k) => {
    let [text, pen] = ["", false];
    for (const point of points) {
      const y = point[k];
      if (!Number.isFinite(y) || y < low - 2 || y > high + 2) { pen = false; continue; }
      text += `${pen ? "L" : "M"}${px(point[0]).toFixed(1)} ${py(y).toFixed(1)}`;
      pen = true;
    }
    return text;
  };
  const grid = [];
  const line = (x1, y1, x2, y2, zero) => grid.push(h("svg:line", { x1, y1, x2, y2, stroke: "currentColor", "stroke-opacity": zero ? 0.45 : 0.13 }));
  const label = (x, y, text, anchor) => grid.push(h("svg:text", { x, y, "text-anchor": anchor, "font-size": 11, fill: "currentColor", opacity: 0.7 }, text));
  for (let x = -4; x <= 4; x += 2) { line(px(x), top, px(x), bottom, x === 0); label(px(x), bottom + 16, String(x), "middle"); }
  const step = high - low > 10 ? 4 : high - low > 5 ? 2 : 1;
  for (let y = Math.ceil(low / step) * step; y <= high; y += step) { line(left, py(y), right, py(y), y === 0); label(left - 6, py(y) + 4, String(y), "end"); }
  const curve = (k, colour, dash) => h("svg:path", { d: path(k), fill: "none", stroke: `var(${colour})`, "stroke-width": 2.2, "stroke-dasharray": dash, "stroke-linejoin": "round" });
  const key = (x, colour, dash, text) => [
    h("svg:line", { x1: x, y1: 286, x2: x + 26, y2: 286, stroke: `var(${colour})`, "stroke-width": 2.2, "stroke-dasharray": dash }),
    h("svg:text", { x: x + 32, y: 290, "font-size": 12, fill: "currentColor" }, text)];
  // An inner picture cuts what is drawn outside it.
  const [w, t] = [right - left, bottom - top];
  const inner = h("svg:svg", { x: left, y: top, width: w, height: t, viewBox: `${left} ${top} ${w} ${t}` }, curve(1, "--accent", null), curve(2, "--warm", "5 4"));
  return h("svg:svg", { class: "curve", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "The function and its derivative from -5 to 5" },
    grid, inner, key(left + 110, "--accent", null, "f(x)"), key(left + 210, "--warm", "5 4", "f′(x)"));
}
