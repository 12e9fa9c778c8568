// The search explorer: every candidate as a point, a formula to look for, one chosen candidate in full.

const AXES = { size: "operators and operands of the function", n: "proposal", seconds: "seconds of its training" };
/** What is shown of a list of hits. */
const SHOWN = 24;

/** A number from 0 to 1 that stays with a candidate. */
function jitter(n) {
  let bits = Math.imul(n + 1, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  return ((bits ^ (bits >>> 13)) >>> 0) / 2 ** 32;
}

/** Functions that have their name in the plot; more of them would lie on one another. */
const LABELLED = ["identity", "relu", "swish", "cos_minus_x", "max_x_sigmoid"];

class Explorer {
  constructor(search) {
    this.search = search;
    this.count = search.formulas.length;
    this.axis = "size";
    this.hidden = new Set();
    this.query = "";
    this.chosen = null;
    this.hovered = null;
    // Rank by accuracy, 1 the best.
    this.order = [...Array(this.count).keys()].filter((i) => search.top1[i] !== null).sort((a, b) => search.top1[b] - search.top1[a] || a - b);
    this.rank = new Map(this.order.map((i, place) => [i, place + 1]));
    this.groups = this.failureGroups();
    this.haystack = search.formulas.map((formula, i) => [formula, search.canonicals[i], search.names[i] || "", ...(search.equal[i] || [])].join("\n").replace(/[ ]/g, "").toLowerCase());
    this.element = this.build();
  }

  /** The reason of a failure up to its colon: diverged, learns nothing, ... */
  group(i) {
    const err = this.search.errs[i];
    return this.search.top1[i] !== null ? "trained" : err < 0 ? "failed" : this.search.reasons[err].split(":")[0];
  }

  failureGroups() {
    const groups = new Map([["trained", 0]]);
    for (let i = 0; i < this.count; i += 1) groups.set(this.group(i), (groups.get(this.group(i)) || 0) + 1);
    return groups;
  }

  build() {
    const { search } = this;
    this.base = h("canvas", { "aria-hidden": "true" });
    this.over = h("canvas", { tabindex: 0, role: "img", "aria-label": "Accuracy of every candidate. Arrow keys up and down go through the matching candidates by rank.",
      pointermove: (event) => this.hover(event), pointerleave: () => this.leave(), click: (event) => this.click(event), keydown: (event) => this.keys(event) });
    this.plot = new Scatter(this.base, this.over);
    this.found = h("span", { class: "soft small", role: "status" });
    this.hits = h("ol", { class: "hits" });
    this.detail = h("div", { class: "chosen", "aria-live": "polite" });
    const fates = Object.entries(search.fates).filter(([fate]) => fate !== "trained" && fate !== "failed").map(([fate, n]) => `${grouped(n)} ${fate === "same" ? "equal to an earlier one" : `rejected as ${fate}`}`);
    const toggles = [...this.groups].map(([group, n]) => h("button", { class: "chip", type: "button", "aria-pressed": "true", "data-group": group,
      click: (event) => this.toggle(group, event.currentTarget) }, `${group} ${grouped(n)}`));
    const axis = h("select", { change: (event) => { this.axis = event.target.value; this.layout(); } }, Object.entries(AXES).map(([name, label]) => h("option", { value: name }, label)));
    const box = h("input", { type: "search", placeholder: "a formula or name: cos(x), swish, beta …", "aria-label": "Look for a formula", input: (event) => { this.query = event.target.value; this.filter(); } });
    return h("article", { class: "card", id: `search-${search.name}` },
      h("h3", {}, `${search.name} · ${search.strategy}, ${search.units} core unit${search.units === 1 ? "" : "s"}`),
      kind(search.profile, search.data_source, badge(search.profile, search.data_source),
        h("p", { class: "note" }, `${grouped(Object.values(search.fates).reduce((sum, n) => sum + n, 0))} proposals: ${grouped(this.count)} different functions trained, ${grouped(this.count - this.order.length)} of them failed; ${fates.join(", ")}. Child: ${search.child}.`),
        h("div", { class: "tools" }, box, this.found, h("fieldset", {}, h("legend", {}, "shown"), toggles), h("label", {}, "across", axis)),
        h("div", { class: "explore" }, h("div", { class: "plot" }, this.base, this.over), this.detail),
        this.hits,
        search.provenance ? h("p", { class: "note" }, search.provenance.replaceAll("`", "")) : null,
        search.pictures.map((image) => h("details", {}, h("summary", {}, image.title), picture(image)))), hiddenNote("This search"));
  }

  /** To be called when the element stands in the page. */
  start() {
    this.plot.resize();
    this.choose(this.order[0] ?? 0);
    this.layout();
    new ResizeObserver(() => { if (this.base.getBoundingClientRect().width) { this.plot.resize(); this.layout(); } }).observe(this.base.parentElement);
  }

  value(i) {
    const { search } = this;
    // Whole numbers of operators would hide all but one of a column.
    return this.axis === "size" ? search.sizes[i] + (jitter(search.n[i]) - 0.5) * 0.76 : this.axis === "n" ? search.n[i] : search.seconds[i] ?? 0;
  }

  layout() {
    const { search } = this;
    const matches = this.matches();
    const points = [];
    for (let i = 0; i < this.count; i += 1) {
      if (this.hidden.has(this.group(i))) continue;
      const failed = search.top1[i] === null;
      points.push({ id: i, x: this.value(i), y: search.top1[i], failed, on: matches.has(i), jitter: jitter(search.n[i] + 7919), label: LABELLED.includes(search.names[i]) ? search.names[i] : null });
    }
    const values = points.map((point) => point.x);
    const top = Math.max(10, ...search.top1.filter((value) => value !== null));
    const low = Math.min(...search.top1.filter((value) => value !== null), top - 1);
    let [left, right] = [Infinity, -Infinity];
    for (const value of values) { left = Math.min(left, value); right = Math.max(right, value); }
    const pad = this.axis === "size" ? 0.3 : (right - left) * 0.02;
    this.plot.set(points, { x: { low: left - pad, high: right + pad, label: AXES[this.axis] }, y: { low: Math.max(0, low - 1), high: top + 1, label: "accuracy on held-out images, %" } });
    this.byId = new Map(points.map((point) => [point.id, point]));
    this.hovered = null;
    this.draw();
  }

  draw() {
    performance.mark("draw-start");
    this.plot.draw();
    this.mark();
    performance.measure("explorer-draw", "draw-start");
  }

  mark() {
    this.plot.mark(this.byId.get(this.chosen), this.hovered);
  }

  matches() {
    const words = this.query.replace(/[ ]/g, "").toLowerCase();
    const all = new Set();
    this.haystack.forEach((text, i) => { if (!this.hidden.has(this.group(i)) && text.includes(words)) all.add(i); });
    return all;
  }

  filter() {
    const matches = this.matches();
    for (const point of this.plot.points) point.on = matches.has(point.id);
    this.draw();
    this.list();
  }

  toggle(group, button) {
    const on = this.hidden.has(group);
    if (on) this.hidden.delete(group); else this.hidden.add(group);
    button.setAttribute("aria-pressed", String(on));
    this.layout();
    this.list();
  }

  /** The matching candidates, an exact one first, then by accuracy. */
  ranked() {
    const matches = this.matches();
    const words = this.query.replace(/[ ]/g, "").toLowerCase();
    const failed = [...matches].filter((i) => this.search.top1[i] === null);
    const sorted = [...this.order.filter((i) => matches.has(i)), ...failed];
    const exact = sorted.filter((i) => words && this.haystack[i].split("\n").includes(words));
    return [...exact, ...sorted.filter((i) => !exact.includes(i))];
  }

  list() {
    const ranked = this.ranked();
    this.found.textContent = `${grouped(ranked.length)} of ${grouped(this.count)}`;
    this.hits.replaceChildren(...ranked.slice(0, SHOWN).map((i) => h("li", {}, h("button", { type: "button", "aria-current": String(i === this.chosen), click: () => this.choose(i) },
      h("b", {}, this.search.top1[i] === null ? "failed" : number(this.search.top1[i])), h("span", { class: "formula" }, this.search.formulas[i])))));
  }

  at(event) {
    const box = this.over.getBoundingClientRect();
    return this.plot.pick(event.clientX - box.left, event.clientY - box.top);
  }

  hover(event) {
    const point = this.at(event);
    if (point === this.hovered) return;
    this.hovered = point;
    this.mark();
    if (!point) { hideTip(); return; }
    const { search } = this;
    const result = point.failed ? search.reasons[search.errs[point.id]] || "failed" : `${number(search.top1[point.id])} %, rank ${grouped(this.rank.get(point.id))}`;
    showTip([h("strong", { class: "formula" }, search.formulas[point.id]), h("br"), result], new DOMRect(event.clientX - 4, event.clientY - 4, 8, 8));
  }

  leave() {
    this.hovered = null;
    this.mark();
    hideTip();
  }

  click(event) {
    const point = this.at(event);
    if (point) this.choose(point.id);
  }

  keys(event) {
    const step = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 }[event.key];
    if (!step) return;
    event.preventDefault();
    const ranked = this.ranked();
    const place = ranked.indexOf(this.chosen);
    const next = ranked[Math.min(Math.max(0, place < 0 ? 0 : place + step), ranked.length - 1)];
    if (next !== undefined) this.choose(next);
  }

  choose(i) {
    this.chosen = i;
    this.params = Array(parameters(this.search.programs[i] || "")).fill(1);
    this.show();
    this.list();
    if (this.byId) this.mark();
  }

  /** The chosen candidate in full. */
  show() {
    const { search, chosen: i } = this;
    if (!this.count) return;
    const again = search.again.filter((row) => row.candidate === i);
    const equal = search.equal[i] || [];
    const curve = h("div", {}, functionPlot(search.programs[i], this.params));
    const sliders = this.params.map((_, k) => {
      const shown = h("output", {}, "1.00");
      const input = h("input", { type: "range", min: -3, max: 3, step: 0.05, value: 1, "aria-label": `parameter ${k + 1}`, input: (event) => {
        this.params[k] = Number(event.target.value);
        shown.textContent = number(this.params[k]);
        curve.replaceChildren(functionPlot(search.programs[i], this.params));
      } });
      return h("label", { class: "slider" }, `beta${k ? k + 1 : ""}`, input, shown);
    });
    this.detail.replaceChildren(
      h("span", { class: "formula big" }, search.formulas[i]),
      search.names[i] ? h("span", { class: "badge" }, search.names[i]) : "",
      curve, ...sliders,
      terms([
        ["accuracy", search.top1[i] === null ? `failed: ${search.reasons[search.errs[i]] || ""}` : `${number(search.top1[i])} % on held-out images`],
        ["rank", search.top1[i] === null ? "" : `${grouped(this.rank.get(i))} of ${grouped(this.order.length)}`],
        ["training loss", search.losses[i] === null ? "" : number(search.losses[i], 3)],
        ["size", `${search.sizes[i]} operators and operands`],
        ["canonical", search.canonicals[i]],
        ["run", `proposal ${grouped(search.n[i])}, ${duration(search.seconds[i])}, commit ${commit(search.commits[i])}`],
        ["equal to it", equal.slice(0, 8).join(",  ") + (equal.length > 8 ? `,  and ${equal.length - 8} more` : "")],
        ...again.map((row) => ["trained again", `${row.top1 === null ? "failed" : `${number(row.top1)} % [${number(row.min)}, ${number(row.max)}]`} on test images, ${row.steps} steps, ${row.n} seeds${row.failed ? `, ${row.failed} failed` : ""}, ${duration(row.seconds)} in all, commit ${row.commit}`]),
      ]));
  }
}
