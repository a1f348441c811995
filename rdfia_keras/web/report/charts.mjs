// Draws charts: dictionaries of traces and a layout, as plotly_charts.py makes them. The colours are CSS variables.
import { element } from "../shared/dom.mjs";

const drawnCharts = new Map();

// The library, which takes a second to start: when the first chart is drawn, so that the page is there before.
function plotly() {
  if (!window.Plotly) {
    const script = element("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.head.append(script);
  }
  return window.Plotly;
}

const AXIS = { gridcolor: "var(--grid)", linecolor: "var(--line)", zerolinecolor: "var(--line)", automargin: true };
// On a touch screen a drag scrolls the page.
const DRAG = matchMedia("(pointer: coarse)").matches ? false : "zoom";
const CONFIG = { displayModeBar: false, responsive: true, showTips: false };

// A copy in which colours are what the page's variables are now, and texts are texts: to Plotly "<b>" means bold.
function resolved(value, colours) {
  if (Array.isArray(value)) return value.map((item) => resolved(item, colours));
  if (typeof value === "string") {
    return value.startsWith("var(") ? colours(value) : value.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  }
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, resolved(item, colours)]));
}

// The colour that an expression of CSS variables stands for.
function colourOf(expression) {
  const probe = element("i", { hidden: true });
  probe.style.color = expression;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

function rememberedColours() {
  const known = new Map();
  return (expression) => {
    if (!known.has(expression)) known.set(expression, colourOf(expression));
    return known.get(expression);
  };
}

// Draw traces into an element; `layout` is what is special about the chart.
export function drawPlot(place, traces, { xaxis, yaxis, ...rest }) {
  const colours = rememberedColours();
  const layout = {
    autosize: true, height: 300, showlegend: false, dragmode: DRAG,
    margin: { l: 52, r: 10, t: 8, b: 44 },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: "var(--ink)", size: place.clientWidth < 420 ? 11 : 13, family: "system-ui, sans-serif" },
    hoverlabel: { bgcolor: "var(--raised)", bordercolor: "var(--line)", font: { color: "var(--ink)" } },
    xaxis: { ...AXIS, ...xaxis }, yaxis: { ...AXIS, ...yaxis }, ...rest,
  };
  plotly().react(place, resolved(traces, colours), resolved(layout, colours), CONFIG);
}

class ChartView {
  constructor(root, chart) {
    this.chart = chart;
    this.plot = root.querySelector(".chart-plot");
    this.shown = chart.traces.map((trace) => trace.visible !== "legendonly");
    this.legend(root.querySelector(".chart-legend"));
    const numbers = root.querySelector(".numbers");
    numbers.addEventListener("toggle", () => {
      const place = numbers.querySelector(".scroll");
      if (numbers.open && !place.firstChild) place.append(tableOf(numbersOf(chart)));
    });
    this.isDrawn = false;
  }

  legend(place) {
    if (this.chart.traces.length < 2) return;
    place.append(...this.chart.traces.map((trace, n) => {
      const button = element("button", { type: "button", "aria-pressed": String(this.shown[n]), onclick: () => {
        this.shown[n] = !this.shown[n];
        button.setAttribute("aria-pressed", String(this.shown[n]));
        this.draw();
      } }, element("i", { class: "swatch", "aria-hidden": "true" }), trace.name);
      const swatch = button.firstChild;
      swatch.style.color = trace.line?.color ?? trace.marker?.color ?? "currentColor";
      swatch.dataset.dash = swatchOf(trace);
      return button;
    }));
  }

  draw() {
    const traces = this.chart.traces.map(({ is_remark: _, ...trace }, n) => ({ ...trace, visible: this.shown[n] }));
    drawPlot(this.plot, traces, this.chart.layout);
    this.isDrawn = true;
  }
}

function swatchOf({ type, mode = "", line, marker }) {
  if (mode.includes("lines") || type === "contour") return line?.dash ?? "solid";
  if (marker?.symbol?.startsWith("line")) return "solid";
  return marker?.symbol?.endsWith("-open") ? "open" : "points";
}

// What the traces show, as a table: a row for each x.
function numbersOf(chart) {
  if (chart.table) return chart.table;
  const traces = chart.traces.filter((trace) => !trace.is_remark);
  const rows = new Map();
  traces.forEach((trace, n) => trace.y.forEach((y, i) => {
    const x = trace.x ? trace.x[i] : trace.x0 + i * trace.dx;
    if (!rows.has(x)) rows.set(x, Array(traces.length).fill(null));
    rows.get(x)[n] = y;
  }));
  const sorted = [...rows].sort(([a], [b]) => (typeof a === "number" ? a - b : 0));
  return { columns: [chart.layout.xaxis.title.text, ...traces.map((trace) => trace.name)], rows: sorted.map(([x, ys]) => [x, ...ys]) };
}

export function tableOf({ columns, rows }) {
  return element("table", {},
    element("thead", {}, element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...rows.map(([first, ...rest]) => element("tr", {},
      element("th", { scope: "row" }, String(first)), ...rest.map((value) => element("td", {}, value === null ? "–" : String(value)))))));
}

// Charts are drawn when they come near the screen.
const nearby = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    nearby.unobserve(target);
    const view = drawnCharts.get(target);
    if (view && !view.isDrawn) view.draw();
  }
}, { rootMargin: "400px" });

export function watchChart(root, chart) {
  drawnCharts.set(root, new ChartView(root, chart));
  nearby.observe(root);
}

export function forgetCharts(root) {
  for (const chart of root.querySelectorAll(".chart")) {
    plotly().purge(chart.querySelector(".chart-plot"));
    drawnCharts.delete(chart);
  }
}

export function drawAllCharts() {
  for (const view of drawnCharts.values()) view.draw();
}

// With other colours or at another width: those near the screen at once, the others when they come near.
export function redrawCharts() {
  for (const [root, view] of drawnCharts) {
    if (!view.isDrawn) continue;
    view.isDrawn = false;
    nearby.observe(root);
  }
}

// The same elements as the template's, for charts that are made here.
export function chartElement(chart) {
  const name = chart.title || "the chart";
  return element("figure", { class: "chart" },
    chart.title ? element("figcaption", {}, chart.title) : null,
    element("div", { class: "chart-legend", role: "group", "aria-label": `Series of ${name}` }),
    element("div", { class: "chart-plot", role: "img", "aria-label": chart.alt }),
    element("details", { class: "numbers" }, element("summary", {}, "The numbers"),
      element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Numbers of ${name}` })));
}
