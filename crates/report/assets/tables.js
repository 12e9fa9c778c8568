// Tables: ours, the paper's, the difference where there is one.

const NAMES = { top1: "top-1 %", top5: "top-5 %", bleu: "BLEU" };
const DATASETS = { cifar10: "CIFAR-10", cifar100: "CIFAR-100", imagenet: "ImageNet" };
const dataset = (name) => DATASETS[name] || name.replace("wmt14-en-de/", "");

function median(values) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** The largest of some numbers, none where there is none. */
const largest = (values) => Math.max(-Infinity, ...values.filter((value) => value !== null && value !== undefined));

/** What tells columns of a table apart beside their model. */
function distinctions(columns, column) {
  const parts = [];
  if (columns.some((other) => other.dataset !== column.dataset)) parts.push(dataset(column.dataset));
  if (columns.some((other) => other.metric !== column.metric)) parts.push(NAMES[column.metric]);
  return parts.join(" · ");
}

const rowName = (text) => h("th", { scope: "row" }, h("span", { class: "formula", title: text }, text));

function printedCell(runs, best) {
  const value = median(runs);
  const spread = runs.length > 1 ? `${Math.min(...runs).toFixed(1)} to ${Math.max(...runs).toFixed(1)} in ${runs.length} runs` : "";
  return h("td", { class: value !== null && value === best ? "print best" : "print", title: spread || null }, number(value, 1));
}

/** The paper's own table, where there are no runs. */
function printedTable(view) {
  const { rows, columns, cells } = view.paper;
  const best = columns.map((_, k) => largest(cells.map((row) => median(row[k]))));
  return h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { class: "name" }, "activation"), columns.map((column) =>
      h("th", { class: "print" }, column.model, h("span", { class: "sub" }, distinctions(columns, column) || "the paper"))))),
    h("tbody", {}, rows.map((row, r) => h("tr", {}, rowName(row), columns.map((_, k) => printedCell(cells[r][k], best[k])))))));
}

/** Where a cell's number comes from. */
function cellTip(section, row, column, cell, printed) {
  const runs = cell.seeds ? `seeds ${cell.seeds}` : `${cell.n} seed${cell.n === 1 ? "" : "s"}`;
  const rate = cell.lr === null ? "" : `${cell.lr}${cell.lrs_tried > 1 ? `, the best of ${cell.lrs_tried}` : ""}`;
  return [
    h("strong", { class: "formula" }, row), h("span", { class: "soft" }, ` in ${column.model_as_run}`), h("br"), badge(section.profile, section.data_source),
    terms([
      ["result", `${number(cell.median)}${cell.n > 1 ? ` [${number(cell.min)}, ${number(cell.max)}]` : ""} ${NAMES[column.metric]}`],
      ["runs", `${runs}${cell.failed ? `, ${cell.failed} failed` : ""}`],
      ["each", cell.values.length > 1 ? cell.values.map((value) => value.toFixed(2)).join(", ") : ""],
      ["recipe", `${column.recipe}: ${column.steps} steps of ${column.batch}, ${column.precision}`],
      ["learning rate", rate],
      ["data", `${column.dataset_as_run} ${column.data_version}`],
      ["device", cell.devices],
      ["time", cell.seconds === null ? "" : `${duration(cell.seconds)} a run`],
      ["commit", commit(cell.commits)],
      ["the paper", printed.length ? `${number(median(printed), 1)} (${column.model})` : ""],
      ["difference", column.not_comparable ? `not given: ${column.not_comparable}` : number(cell.difference)],
    ])];
}

function ourCell(section, r, k, best, first) {
  const [cell, column] = [section.cells[r][k], section.columns[k]];
  if (!cell) return h("td", { class: "ours" }, "–");
  const content = () => cellTip(section, section.rows[r], column, cell, section.paper[r][k]);
  const show = (event) => showTip(content(), event.currentTarget.getBoundingClientRect());
  const text = cell.median === null ? h("span", { class: "failed" }, `${cell.failed} failed`) : number(cell.median);
  const spread = cell.median === null ? null : h("span", { class: "spread" },
    cell.n > 1 ? `${number(cell.min)} – ${number(cell.max)}` : "one seed", cell.failed ? h("span", { class: "failed" }, ` ${cell.failed} failed`) : null);
  return h("td", { class: cell.median !== null && cell.median === best ? "ours best" : "ours", tabindex: first ? 0 : -1, "data-cell": true,
    mouseenter: show, focus: show, mouseleave: hideTip, blur: hideTip }, text, spread);
}

/** Arrow keys go from cell to cell; one cell of a table is reached by the tab key. */
function arrows(event) {
  const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  const cell = event.target.closest("[data-cell]");
  if (!move || !cell) return;
  const rows = [...cell.closest("tbody").rows].map((row) => [...row.querySelectorAll("[data-cell]")]);
  const r = rows.findIndex((row) => row.includes(cell));
  const next = rows[r + move[0]]?.[rows[r].indexOf(cell) + move[1]];
  if (!next) return;
  event.preventDefault();
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

/** The runs of one kind. */
function sectionTable(section) {
  const { columns, rows } = section;
  const best = columns.map((_, k) => largest(section.cells.map((row) => row[k]?.median)));
  const bestPrinted = columns.map((_, k) => largest(section.paper.map((row) => median(row[k]))));
  const wide = (column) => (column.not_comparable ? 2 : 3);
  const head = h("thead", {},
    h("tr", {}, h("th", { class: "name", rowspan: 2 }, "activation"), columns.map((column) =>
      h("th", { class: "model", colspan: wide(column) }, column.model, h("span", { class: "sub" }, distinctions(columns, column))))),
    h("tr", {}, columns.map((column) => [
      h("th", { class: "ours" }, `ours · profile ${section.profile}`, h("span", { class: "sub" }, column.model_as_run)),
      h("th", { class: "print" }, "the paper"), column.not_comparable ? null : h("th", {}, "difference")])));
  const body = h("tbody", { keydown: arrows }, rows.map((row, r) => h("tr", {}, rowName(row), columns.map((column, k) => [
    ourCell(section, r, k, best[k], r === 0 && k === 0), printedCell(section.paper[r][k], bestPrinted[k]),
    column.not_comparable ? null : h("td", {}, differenceText(section.cells[r][k]))]))));
  const why = [...new Set(columns.flatMap((column) => (column.not_comparable ? column.not_comparable.split("; ") : [])))];
  return kind(section.profile, section.data_source, badge(section.profile, section.data_source),
    why.length ? h("p", { class: "note" }, `No difference to the paper is given: ${why.join("; ")}.`) : null,
    h("div", { class: "scroll" }, h("table", {}, head, body)),
    h("p", { class: "note" }, "Median over seeds, smallest and largest; the best of a column in bold. Point at a number, or focus it and use the arrow keys, for its provenance. ",
      h("code", {}, section.file)),
    section.pictures.map((image) => h("details", {}, h("summary", {}, image.title), picture(image))));
}

/** Stands in a card whose content the filters hide. */
const hiddenNote = (what) => h("p", { class: "note filtered", hidden: true }, `${what}: hidden by the filters.`);

const differenceText = (cell) => (cell && cell.difference !== null ? `${cell.difference > 0 ? "+" : ""}${number(cell.difference)}` : "–");

function tableCard(view) {
  const title = h("h3", {}, `Table ${view.number} · ${view.title}`);
  const printed = h("details", {}, h("summary", {}, "The table in the paper"), printedTable(view));
  if (!view.sections.length) {
    return h("article", { class: "card", id: `table-${view.number}` }, title, missing(view.command), h("span", { class: "badge print" }, "the paper's numbers"), printedTable(view));
  }
  const paper = view.sections.some((section) => section.profile === "paper")
    ? null : h("p", { class: "note" }, "At the paper's size: ", h("code", {}, `${view.command} PROFILE=paper DATA_DIR=…`));
  return h("article", { class: "card", id: `table-${view.number}` }, title, view.sections.map(sectionTable), hiddenNote("Our runs"), paper, printed);
}

const counted = (counts) => `${counts.better} / ${counts.equal} / ${counts.worse}`;
const same = (a, b) => a.better === b.better && a.equal === b.equal && a.worse === b.worse;

/** A bar of wins, ties and losses. */
function balance(counts) {
  const total = counts.better + counts.equal + counts.worse || 1;
  let x = 0;
  const part = (n, colour) => { const width = 60 * n / total; x += width; return h("svg:rect", { x: x - width, y: 0, width, height: 8, fill: `var(${colour})` }); };
  return h("svg:svg", { viewBox: "0 0 60 8", width: 60, height: 8, "aria-hidden": "true" }, part(counts.better, "--accent"), part(counts.equal, "--line"), part(counts.worse, "--warm"));
}

/** Table 3. */
function overviewCard(view) {
  const { baselines, swishes, ours, paper } = view;
  const printed = h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { class: "name" }, "baseline"), h("th", { class: "print" }, "Table 3", h("span", { class: "sub" }, "as printed")),
      swishes.map((swish) => h("th", { class: "print" }, swish, h("span", { class: "sub" }, "counted from Tables 4–11"))))),
    h("tbody", {}, baselines.map((baseline, r) => h("tr", {}, rowName(baseline), h("td", { class: "print" }, counted(paper[r].printed)),
      paper[r].recounted.map((counts) => h("td", { class: "print" }, counted(counts), same(counts, paper[r].printed) ? "" : " ≠")))))));
  const sections = ours.map((overview) => kind(overview.profile, overview.data_source, badge(overview.profile, overview.data_source),
    overview.profile === "paper" ? null : h("p", { class: "note" }, "These runs are not the paper's in size: their counts do not compare with the paper's."),
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {},
        h("tr", {}, h("th", { class: "name", rowspan: 2 }, "baseline"), swishes.map((swish) => h("th", { class: "model", colspan: 4 }, swish))),
        h("tr", {}, swishes.map(() => [h("th", { class: "ours", colspan: 2 }, "better / equal / worse"), h("th", {}, "p", h("span", { class: "sub" }, "models")), h("th", {}, "p", h("span", { class: "sub" }, "seeds"))]))),
      h("tbody", {}, baselines.map((baseline, r) => h("tr", {}, rowName(baseline), overview.rows[r].map((duel) => [
        h("td", { class: "ours" }, balance(duel.counts)), h("td", {}, counted(duel.counts)), h("td", {}, probability(duel.p_models)), h("td", {}, probability(duel.p_seeds))])))))),
    h("p", { class: "note" }, `${overview.models.length} of nine models: ${overview.models.join(", ")}. Commit ${commit(overview.commits.join(" "))}.`)));
  return h("article", { class: "card", id: "table-3" }, h("h3", {}, "Table 3 · On how many models Swish is better, equal or worse"),
    h("p", { class: "note" }, "A model counts once, by the majority of its data sets; numbers are compared as the paper prints them, rounded to one decimal, and equal after rounding is a tie. p, models: sign test over models; p, seeds: van Elteren's rank test over seeds; both two-sided."),
    sections.length ? sections : missing("make table-overview"),
    hiddenNote("Our runs"),
    h("div", { class: "printed" }, h("p", {}, h("span", { class: "badge print" }, "the paper's numbers")), printed,
      h("p", { class: "note" }, "The paper does not say how it counts. Counted from its own tables by the rule above, ≠ marks where the result is not what its Table 3 prints: its “Swish” is best explained by Swish-1.")));
}
