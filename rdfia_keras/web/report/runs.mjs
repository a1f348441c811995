// The table of all runs, and one run with everything that is known of it.
import { element, percent, saveFile } from "../shared/dom.mjs";
import { chartElement, forgetCharts, tableOf, watchChart } from "./charts.mjs";
import { DecisionMaps } from "./maps.mjs";
import { SortedTable, csvText } from "./tables.mjs";

const REFERENCE = "reference/";
const ACCURACIES = ["best", "final"];
const HIGHEST_FIRST = ["best", "final", "epochs"];
const SHOWN = ["run", "settings", "status", "seed", "epochs", "best", "final", "loss", "seconds"];
const TEXT_COLUMNS = ["run", "settings", "status"];
const NAMES = { best: "best test", final: "last test", loss: "last test loss" };

export class Runs {
  constructor(root, data) {
    this.data = data;
    this.byName = new Map(data.runs.map((run) => [run.run, run]));
    this.place = root.querySelector("#run");
    const columns = SHOWN.map((key) => ({
      key, name: NAMES[key] ?? key, numeric: !TEXT_COLUMNS.includes(key), highestFirst: HIGHEST_FIRST.includes(key),
      of: (run) => this.value(run, key), text: (value) => cellText(key, value),
    }));
    this.table = new SortedTable(root.querySelector("#runs-table"), columns, data.runs, (run) => this.go(run.run));
    this.filter = root.querySelector("#runs-filter");
    this.withReference = root.querySelector("#runs-reference");
    this.count = root.querySelector("#runs-count");
    this.filter.addEventListener("input", () => this.refilter());
    this.withReference.addEventListener("change", () => this.refilter());
    root.querySelector("#runs-csv").addEventListener("click", () => saveFile("runs.csv", "text/csv", this.csv()));
    this.refilter();
  }

  value(run, key) {
    if (key === "settings") return this.settings(run);
    return key === "status" && run.quick ? `${run.status} (quick)` : run[key];
  }

  // Those that differ among all runs and are not at their default.
  settings(run) {
    const usual = this.data.defaults[run.section] ?? {};
    return this.data.settings.filter((name) => name in run.settings && run.settings[name] !== usual[name])
      .map((name) => `${name}=${run.settings[name]}`).join(" ");
  }

  refilter() {
    const shown = this.table.filter(this.filter.value, (run) => this.withReference.checked || !run.run.startsWith(REFERENCE));
    this.count.textContent = `${shown} of ${this.data.runs.length} runs`;
  }

  csv() {
    const { columns, settings } = this.data;
    return csvText([[...columns, ...settings], ...this.table.rows.map((run) => [...columns.map((key) => run[key]), ...settings.map((name) => run.settings[name])])]);
  }

  go(name) {
    const address = `#run=${encodeURIComponent(name)}`;
    if (location.hash === address) this.open(name);
    else location.hash = address;
  }

  open(name) {
    const run = this.byName.get(name);
    forgetCharts(this.place);
    this.place.hidden = false;
    this.place.replaceChildren(...(run ? this.parts(run) : this.missing(name)).filter((part) => part !== null));
    if (run) this.bringToLife(run);
    this.place.scrollIntoView();
    this.place.focus({ preventScroll: true });
  }

  missing(name) {
    return [element("h3", {}, name), element("p", {}, `There is no run ${name} in this page. The table above has all of them.`)];
  }

  bringToLife(run) {
    for (const [n, root] of [...this.place.querySelectorAll(".chart")].entries()) watchChart(root, run.charts[n]);
    const decision = this.place.querySelector(".decision");
    if (decision) new DecisionMaps(decision, this.data.maps);
  }

  parts(run) {
    const { base, changed } = run;
    const others = Object.entries(run.settings).filter(([key]) => !changed.some(([name]) => name === key));
    const pairs = (columns, rows) => element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table of ${columns.join(", ")}` }, tableOf({ columns, rows }));
    return [
      element("h3", {}, run.run),
      element("p", {}, summary(run)),
      run.figures.length ? element("p", {}, "Figures: ", ...run.figures.flatMap((key) => [element("a", { href: `#figure-${key}` }, key), " "])) : null,
      element("h4", {}, `Settings that differ from ${base || "the defaults"}`),
      changed.length ? pairs(["setting", "here", "there"], changed) : element("p", {}, "None."),
      others.length ? element("details", {}, element("summary", {}, `The ${others.length} others`), pairs(["setting", "value"], others)) : null,
      run.charts.length ? element("h4", {}, "Curves") : null,
      run.map ? decisionElement(run.run) : null,
      element("div", { class: "charts" }, ...run.charts.map(chartElement)),
      run.inspection.length ? element("h4", {}, "Inspection") : null,
      run.inspection.length ? pairs(["what", "value"], run.inspection) : null,
      ...run.pictures.map(picture),
      run.provenance.length ? element("h4", {}, "Provenance") : null,
      run.provenance.length ? pairs(["what", "value"], run.provenance) : null,
    ];
  }
}

function cellText(key, value) {
  if (value === null || value === undefined || value === "") return "–";
  if (ACCURACIES.includes(key)) return `${(100 * value).toFixed(2)} %`;
  if (key === "loss") return value.toFixed(4);
  if (key === "seconds") return value.toFixed(1);
  return String(value);
}

function summary(run) {
  const words = [run.status + (run.quick ? ", a smoke test" : "")];
  if (run.epochs_asked) words.push(`${run.epochs} of ${run.epochs_asked} epochs`);
  if (run.best !== null) words.push(`best test accuracy ${percent(run.best)}${run.best_epoch ? ` in epoch ${run.best_epoch}` : ""}`);
  if (run.final !== null) words.push(`${percent(run.final)} in the last one`);
  if (run.seconds !== null) words.push(`${Math.round(run.seconds).toLocaleString("en")} s`);
  return `${words.join("; ")}.`;
}

function picture({ file, alt, uri }) {
  if (!uri) return element("p", { class: "quiet" }, `${alt}: `, element("code", {}, file), " (left out here, the page would grow too large)");
  return element("figure", { class: "picture" }, element("figcaption", {}, alt), element("img", { src: uri, alt, loading: "lazy" }));
}

function decisionElement(name) {
  return element("div", { class: "decision" },
    element("div", { class: "maps" }, element("figure", {}, element("figcaption", {}, "Decision map, test points"),
      element("div", { class: "map", "data-map": name, "data-label": `Probability of class 1 over the plane, ${name}` }))),
    element("label", { class: "wide" }, "Epoch ", element("output"), element("input", { type: "range", min: "0", step: "1" })));
}
