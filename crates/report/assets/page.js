// The sections, the filters and the theme.

const explorers = DATA.searches.map((search) => new Explorer(search));
const section = (id) => document.getElementById(id);

function figureCard(view) {
  return h("article", { class: "card", id: `figure-${view.number}` }, h("h3", {}, `Figure ${view.number} · ${view.title}`),
    view.drawing ? h("figure", {}, drawing(view.drawing)) : null,
    view.pictures.map(picture), hiddenNote("Our picture"),
    view.drawing || view.pictures.length ? null : missing(view.command));
}

function speedCard(view) {
  if (!view.rows.length) return h("article", { class: "card" }, missing(view.command));
  const peers = [["eager", "eager"], ["channels_last", "channels_last"], ["compile", "compile"], ["compile_channels_last", "compile + channels_last"], ["max_autotune", "max-autotune"]];
  const kinds = { step: "Training step", translate: "Beam search", activation: "Activation alone, forward and backward" };
  const groups = new Map();
  for (const row of view.rows) {
    const name = `${kinds[row.what] || row.what} · ${row.cpu} · ${row.simd} · ${row.threads} threads`;
    groups.set(name, [...(groups.get(name) || []), row]);
  }
  const widest = largest(view.rows.map((row) => row.ratio));
  const table = ([name, rows]) => {
    const shown = peers.filter(([key]) => rows.some((row) => row[key] !== null));
    const digits = rows[0].unit === "ns" ? 2 : 1;
    const memory = (row) => (row.rss_mib_ours === null ? "–" : `${row.rss_mib_ours.toFixed(0)} / ${row.rss_mib_eager === null ? "–" : row.rss_mib_eager.toFixed(0)}`);
    const tipOf = (row) => [h("strong", {}, `${row.model || "activation"} · `), h("span", { class: "formula" }, row.activation), terms([
      ["ratio", row.ratio === null ? "" : `${number(row.ratio)} [${number(row.ratio_min)}, ${number(row.ratio_max)}] over ${row.rounds} rounds of ${row.steps}`],
      ["PyTorch", row.torch], ["fastest mode", row.fastest_peer], ["failed", row.failed], ["date", row.date.slice(0, 10)], ["commit", commit(row.commit) + (row.dirty ? ", changed sources" : "")]])];
    return [h("h4", {}, name), h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { class: "name" }, rows[0].model ? "model" : "activation"), rows[0].model ? [h("th", {}, "batch"), h("th", { class: "left" }, "activation")] : null,
        h("th", {}, "precision"), h("th", {}, `ours, ${rows[0].unit}`), shown.map(([, label]) => h("th", {}, label.split(" + ")[0], label.includes(" + ") ? h("span", { class: "sub" }, label.split(" + ")[1]) : null)), h("th", { class: "left" }, "PyTorch / ours", h("span", { class: "sub" }, "its fastest mode")), h("th", {}, "MiB", h("span", { class: "sub" }, "ours / eager")))),
      h("tbody", { keydown: arrows }, rows.map((row, r) => {
        const show = (event) => showTip(tipOf(row), event.currentTarget.getBoundingClientRect());
        return h("tr", {}, rowName(row.model || row.activation), row.model ? [h("td", {}, row.batch), h("td", { class: "left formula" }, row.activation)] : null,
          h("td", {}, row.precision), h("td", {}, number(row.ours, digits)), shown.map(([key]) => h("td", { class: key === row.fastest_peer ? "best" : "" }, number(row[key], digits))),
          h("td", { class: "bar-cell", "data-cell": true, tabindex: r === 0 ? 0 : -1, mouseenter: show, focus: show, mouseleave: hideTip, blur: hideTip },
            row.ratio === null ? "–" : [h("i", { style: `width:${(4 * row.ratio / widest).toFixed(2)}rem` }), number(row.ratio)]),
          h("td", {}, memory(row)));
      }))))];
  };
  return h("article", { class: "card" }, h("p", { class: "note" }, "Times beside PyTorch's on the same machine, the same work with the same model; above 1 ours is faster."),
    [...groups].map(table), view.picture ? h("details", {}, h("summary", {}, "As a plot"), picture(view.picture)) : null, h("p", { class: "note" }, "Measured by ", h("code", {}, view.command)));
}

function tiles() {
  const sections = DATA.tables.flatMap((table) => table.sections);
  const tables = DATA.tables.filter((table) => table.sections.length).length + (DATA.overview.ours.length ? 1 : 0);
  const figures = DATA.figures.filter((figure) => figure.drawing || figure.pictures.length).length;
  // A run that is measured in several columns (top-1 and top-5, years of newstest) counts once.
  const trained = (column) => [column.model_as_run, column.recipe, column.dataset_as_run.split("/")[0]].join();
  const firsts = (one) => one.columns.map((column, k) => one.columns.findIndex((other) => trained(other) === trained(column)) === k);
  const cells = sections.flatMap((one) => { const first = firsts(one); return one.cells.flatMap((row) => row.filter((cell, k) => cell && first[k])); });
  const runs = cells.reduce((sum, cell) => sum + cell.n + cell.failed, 0);
  const functions = DATA.searches.reduce((sum, search) => sum + search.formulas.length, 0);
  const speed = median(DATA.speed.rows.filter((row) => row.what === "step" && row.ratio !== null).map((row) => row.ratio));
  const tile = (value, text) => h("div", { class: "tile" }, h("b", {}, value), h("span", {}, text));
  section("tiles").append(tile(`${tables} of 11`, "tables with runs"), tile(`${figures} of 8`, "figures"), tile(grouped(runs), "runs in the tables"),
    tile(grouped(functions), "functions trained in searches"), tile(speed === null ? "–" : `${speed.toFixed(1)}×`, "as fast as PyTorch's fastest mode, median training step"));
}

function coverage() {
  const chip = (name, id, profiles) => h("a", { href: `#${id}`, class: profiles.length ? "" : "none", title: profiles.length ? `profile ${profiles.join(", ")}` : "no results yet" },
    profiles.length ? profiles.map((profile) => h("span", { class: "dot", "data-profile": profile })) : h("span", { class: "dot" }), name);
  const of = (list) => [...new Set(list)];
  const chips = DATA.tables.map((table) => [table.number, chip(`Table ${table.number}`, `table-${table.number}`, of(table.sections.map((one) => one.profile)))]);
  chips.push([3, chip("Table 3", "table-3", of(DATA.overview.ours.map((one) => one.profile)))]);
  chips.sort((a, b) => a[0] - b[0]);
  const figures = DATA.figures.map((figure) => chip(`Figure ${figure.number}`, `figure-${figure.number}`, figure.drawing || figure.pictures.length ? of(figure.pictures.map((image) => (image.kind ? image.kind[0] : "any")).concat(figure.drawing ? ["any"] : [])) : []));
  section("coverage").append(...chips.map(([, one]) => one), ...figures);
}

/** What the filters let through; null is everything. */
const chosenKind = { profile: null, source: null };

function applyFilters() {
  for (const element of document.querySelectorAll("[data-profile][data-source]")) {
    const { profile, source } = element.dataset;
    const out = (chosenKind.profile && profile !== chosenKind.profile) || (chosenKind.source && source !== chosenKind.source);
    element.hidden = Boolean(out);
  }
  for (const note of document.querySelectorAll(".filtered")) {
    const kinds = [...note.parentElement.querySelectorAll("[data-profile][data-source]")];
    note.hidden = !kinds.length || kinds.some((element) => !element.hidden);
  }
}

function filters() {
  const kinds = [...document.querySelectorAll("[data-profile][data-source]")];
  const group = (key, title, always) => {
    const present = new Set([...always, ...kinds.map((element) => element.dataset[key])].filter(Boolean));
    const values = [null, ...["paper", "reduced", "smoke", "hub", "dir", "embedded"].filter((value) => present.has(value))];
    const buttons = values.map((value) => h("button", { class: "chip", type: "button", "aria-pressed": String(value === null), title: SOURCES[value] || null, click: (event) => {
      chosenKind[key] = value;
      for (const button of buttons) button.setAttribute("aria-pressed", String(button === event.currentTarget));
      applyFilters();
    } }, value || "all"));
    return h("fieldset", { "data-filter": key }, h("legend", {}, title), buttons);
  };
  section("filters").append(group("profile", "profile", ["paper", "reduced"]), group("source", "data", []));
}

function theme() {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const set = (name) => { root.dataset.theme = name; explorers.forEach((explorer) => explorer.byId && explorer.draw()); };
  set(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => set(dark.matches ? "dark" : "light"));
  section("theme").addEventListener("click", () => set(root.dataset.theme === "dark" ? "light" : "dark"));
}

theme();
tiles();
coverage();
section("overview").append(overviewCard(DATA.overview));
section("tables").append(...DATA.tables.map(tableCard));
section("figures").append(h("div", { class: "two" }, DATA.figures.map(figureCard)));
section("speed").append(speedCard(DATA.speed));
if (explorers.length) section("search").append(h("p", { class: "note" }, "Every function that was trained, as a point. Click one, or look for a formula; the curve is computed here, with a slider for beta."), ...explorers.map((explorer) => explorer.element));
else section("search").append(missing("make search, then swish search report"));
filters();
explorers.forEach((explorer) => explorer.start());
section("foot").append(h("p", {}, `Written by swish report, commit ${commit(DATA.commit)}${DATA.dirty ? " with changed sources" : ""}. The paper's numbers: Tables 1 to 11 of arXiv 1710.05941v2. Regenerate with `, h("code", {}, "make report"), "."));
performance.mark("ready");
