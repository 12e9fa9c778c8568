"use strict";
// Elements and texts. All text goes through text nodes: what stands in the results stays text.

const DATA = JSON.parse(document.getElementById("data").textContent);

/** An element with attributes (functions are listeners) and children; "svg:path" makes one of SVG. */
function h(tag, attributes, ...children) {
  const element = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** A drawing that came with the page. */
function drawing(text) {
  const svg = document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
  svg.classList.add("drawing");
  return svg;
}

const number = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits));
const grouped = (value) => value.toLocaleString("en-GB");
const commit = (text) => text.split(" ").filter(Boolean).map((one) => one.slice(0, 10)).join(" ");
const probability = (p) => (p === null ? "–" : p < 0.001 ? p.toExponential(0) : p.toFixed(3));

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

const SOURCES = { hub: "the data set, from the hub", dir: "the data set, from a folder", embedded: "drawn by the program" };

/** The kind of runs: never without its profile and data. */
function badge(profile, source) {
  const data = source ? ` · data: ${source}` : "";
  const title = source ? SOURCES[source] : "";
  return h("span", { class: "badge", "data-profile": profile, title }, `profile ${profile}${data}`);
}

/** What holds numbers of one kind; the filters look for it. */
function kind(profile, source, ...children) {
  return h("div", { class: "kind", "data-profile": profile, "data-source": source || "" }, ...children);
}

function missing(command) {
  return h("p", { class: "missing" }, "No results yet. Made by ", h("code", {}, command), ".");
}

function picture(image) {
  const kind = image.kind ? ` · profile ${image.kind[0]} · data: ${image.kind[1]}` : "";
  const attributes = image.kind ? { "data-profile": image.kind[0], "data-source": image.kind[1] } : {};
  // A wide picture takes the whole row.
  const widen = (event) => { if (event.target.naturalWidth > 560) event.target.closest(".card").classList.add("full"); };
  return h("figure", attributes,
    h("img", { src: image.uri, alt: image.title + kind, decoding: "async", load: widen }), h("figcaption", {}, image.title + kind));
}

const tip = document.getElementById("tip");

/** Shows `content` beside an element or a point. */
function showTip(content, box) {
  tip.replaceChildren(...content);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left + box.width / 2 - width / 2), innerWidth - width - 8);
  const below = box.bottom + 10 + height < innerHeight || box.top < height + 16;
  tip.style.left = `${left}px`;
  tip.style.top = `${below ? Math.min(box.bottom + 8, Math.max(8, innerHeight - height - 8)) : box.top - height - 8}px`;
}

function hideTip() {
  tip.hidden = true;
}

/** A list of terms and what they are; terms without anything are left out. */
function terms(pairs) {
  return h("dl", {}, pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined)
    .map(([term, value]) => [h("dt", {}, term), h("dd", {}, String(value))]));
}

document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
document.addEventListener("scroll", hideTip, { passive: true });
