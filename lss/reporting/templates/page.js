"use strict";

// Light and dark: the system's choice until the button is used.
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const systemDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const dark = root.classList.contains("dark") || (systemDark && !root.classList.contains("light"));
  root.classList.toggle("dark", !dark);
  root.classList.toggle("light", dark);
});

// Tables: a click on a heading sorts by it, another one turns the order round. Empty cells stay last.
function cellValue(row, column) {
  const cell = row.cells[column];
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(text);
  return text === "" || Number.isNaN(number) ? text : number;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
    const descending = heading.getAttribute("aria-sort") === "ascending";
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, value: cellValue(row, column) }));
    rows.sort((a, b) => {
      if (a.value === "" || b.value === "") return (a.value === "") - (b.value === "");
      return descending ? compare(b.value, a.value) : compare(a.value, b.value);
    });
    body.append(...rows.map(({ row }) => row));
  }));
}

// Long tables open with their main rows; without this script they show all.
for (const button of document.querySelectorAll("button.unfold")) {
  const table = document.querySelector(`#${button.dataset.table} table`);
  const fold = (folded) => {
    table.classList.toggle("folded", folded);
    button.setAttribute("aria-expanded", String(!folded));
  };
  button.addEventListener("click", () => fold(!table.classList.contains("folded")));
  button.hidden = false;
  fold(true);
}

// Tables that go on below or to the right fade there.
const goesOn = new ResizeObserver((entries) => entries.forEach(({ target }) => fade(target.closest(".scroll"))));
function fade(box) {
  box.classList.toggle("more-below", box.scrollHeight - box.clientHeight - box.scrollTop > 2);
  box.classList.toggle("more-right", box.scrollWidth - box.clientWidth - box.scrollLeft > 2);
}
for (const box of document.querySelectorAll(".scroll")) {
  box.addEventListener("scroll", () => fade(box), { passive: true });
  goesOn.observe(box);
  goesOn.observe(box.querySelector("table"));
}

// Figures enlarge to their own size in a dialog; Escape closes it.
const dialog = document.getElementById("large");
for (const button of document.querySelectorAll("button.enlarge")) {
  button.addEventListener("click", () => {
    const source = [...button.querySelectorAll("img")].find((image) => image.checkVisibility());
    const large = dialog.querySelector("img");
    large.src = source.src;
    large.alt = source.alt;
    dialog.showModal();
  });
}

// Cases.
const cases = JSON.parse(document.getElementById("case-data").textContent);
const list = document.getElementById("case-list");

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function picture(entry, model) {
  const stack = element("div", "stack");
  const layers = [["", entry.image, `Slice at ${entry.level}, grade ${entry.grade}`], ["attention", model.attention, ""],
    ["mask", model.mask, ""], ["reference", entry.reference, ""]];
  for (const [name, source, alt] of layers) {
    const image = element("img", name);
    image.src = source;
    image.alt = alt;
    stack.append(image);
  }
  for (const [place, letter] of entry.sides.map((letter, index) => [["left", "right"][index], letter])) {
    stack.append(element("span", `side ${place}`, letter));
  }
  if (!entry.sides.length) stack.append(element("span", "side unknown", list.dataset.unknown));
  const bar = element("span", "bar-mm", list.dataset.bar);
  bar.style.width = `${entry.bar}%`;
  stack.append(bar);
  return stack;
}

function card(entry, model) {
  const made = element("article", "card");
  made.id = `case-${entry.key}`;
  made.tabIndex = -1;
  made.append(element("h3", "", `Grade ${entry.grade}, ${entry.level}`), picture(entry, model));
  const byConvention = "HD95 is the image's diagonal by convention";
  const empty = { both: " (both masks empty: 0 by convention)", prediction: ` (nothing predicted: ${byConvention})`,
    reference: ` (reference empty: ${byConvention})`, none: "" };
  made.append(element("p", "", `Dice ${model.dice.toFixed(3)}, IoU ${model.iou.toFixed(3)}, HD95 ${model.hd95.toFixed(1)} mm` +
    `${empty[model.empty]}; area ${model.area.toFixed(1)} %` +
    `${model.confidence === null ? "" : `, confidence ${model.confidence.toFixed(2)}`}`));
  const marks = element("ul", "marks");
  for (const [source, grade] of Object.entries(model.said)) {
    marks.append(element("li", "", `${source}: ${grade} ${grade === entry.grade ? "✓" : "✗"}`));
  }
  made.append(marks);
  if (model.report) {
    const heading = model.contradicts ? "Generated report, contradicts its mask or image" : "Generated report";
    made.append(element("p", "what", heading), element("p", "", model.report));
    if (model.origin) {
      const first = element("details");
      first.append(element("summary", "what", model.origin), element("p", "", model.firstReport));
      made.append(first);
    }
    if (model.disagreements.length) {
      const disagreements = element("ul", "disagreements");
      for (const sentence of model.disagreements) disagreements.append(element("li", "", sentence));
      made.append(disagreements);
    }
    if (model.findings.length) {
      const findings = element("ul", "findings");
      for (const [name, kind, words] of model.findings) {
        const item = element("li", kind, `${name} `);
        item.append(element("span", "what", words));
        findings.append(item);
      }
      made.append(element("p", "what", "Findings, one by one"), findings);
    }
    made.append(element("p", "what", "Reference report"), element("p", "", entry.referenceReport));
  }
  made.append(element("p", "what", `${entry.why}, patient ${entry.patient}, slice ${entry.key}`));
  return made;
}

function valueOf(id) { return document.getElementById(id).value; }

function showCases() {
  const index = document.getElementById("case-model").selectedIndex;
  const onlyDisagreements = document.getElementById("case-disagree").checked;
  const sign = valueOf("case-order") === "up" ? 1 : -1;
  const shown = cases
    .filter((entry) => !valueOf("case-why") || entry.why === valueOf("case-why"))
    .filter((entry) => !valueOf("case-grade") || entry.grade === valueOf("case-grade"))
    .filter((entry) => !onlyDisagreements || !entry.models[index].agree || entry.models[index].disagreements.length
      || entry.models[index].findings.some(([, kind]) => kind === "neither"))
    .sort((a, b) => sign * (a.models[index].dice - b.models[index].dice));
  list.replaceChildren(...shown.map((entry) => card(entry, entry.models[index])));
  document.getElementById("case-count").textContent = `${shown.length} of ${cases.length} cases`;
}

function showLayers() {
  for (const name of ["reference", "mask", "attention"]) {
    list.classList.toggle(`hide-${name}`, !document.getElementById(`layer-${name}`).checked);
  }
}

for (const id of ["case-model", "case-why", "case-grade", "case-order", "case-disagree"]) {
  document.getElementById(id).addEventListener("change", showCases);
}
for (const name of ["reference", "mask", "attention"]) {
  document.getElementById(`layer-${name}`).addEventListener("change", showLayers);
}

// From the comparison of runs to a case: all filters off, its model chosen.
for (const button of document.querySelectorAll("button.to-case")) {
  button.addEventListener("click", () => {
    for (const id of ["case-why", "case-grade"]) document.getElementById(id).value = "";
    document.getElementById("case-disagree").checked = false;
    document.getElementById("case-model").value = button.dataset.model;
    showCases();
    const found = document.getElementById(`case-${button.dataset.case}`);
    found.scrollIntoView({ block: "start", behavior: "instant" });
    found.focus({ preventScroll: true });
  });
}
showCases();
showLayers();
