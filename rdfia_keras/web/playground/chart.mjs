// Curves over the epochs, drawn in pixels so that the type stays legible at any width.
import { element, percent, shape, short } from "../shared/dom.mjs";

const MARGIN = { left: 62, right: 20, top: 10, bottom: 34 };
const HEIGHT = 250;

// A score by epoch, up to the one on screen.
export const column = (training, name, last) => training.scores.map((row, epoch) => (epoch <= last ? row[name] : null));
// Losses above this are cut off: the interesting part lies below.
export const highestLoss = (series) => Math.min(Math.max(0.75, ...series.flat().filter(Number.isFinite)) * 1.05, 3);

// Round numbers that divide a range into about five parts.
function ticks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) found.push(n * step);
  return found;
}

export class Chart {
  // onPoint: called with (epoch, value) where the pointer draws, and with null when it lets go.
  constructor(root, { label, onPoint = null }) {
    this.root = root;
    this.svg = shape("svg", { role: "img", "aria-label": label });
    this.legend = element("ul", { class: "pg-legend" });
    root.append(this.legend, this.svg);
    this.latest = null;
    new ResizeObserver(() => this.latest && this.draw(this.latest)).observe(root);
    if (onPoint) this.listen(onPoint);
    this.pointed = null;
    const point = (epoch) => {
      this.pointed = epoch;
      if (this.latest) this.draw(this.latest);
    };
    this.svg.addEventListener("pointermove", ({ clientX, clientY }) => {
      const box = this.svg.getBoundingClientRect();
      if (this.latest) point(this.valueAt(clientX - box.left, clientY - box.top)[0]);
    });
    this.svg.addEventListener("pointerleave", () => point(null));
  }

  listen(onPoint) {
    const tell = (event) => {
      const box = this.svg.getBoundingClientRect();
      onPoint(...this.valueAt(event.clientX - box.left, event.clientY - box.top));
    };
    this.svg.classList.add("pg-drawable");
    this.svg.addEventListener("pointerdown", (event) => {
      this.svg.setPointerCapture(event.pointerId);
      tell(event);
    });
    this.svg.addEventListener("pointermove", (event) => event.buttons && tell(event));
    this.svg.addEventListener("pointerup", () => onPoint(null));
  }

  valueAt(px, py) {
    const { epochs, low, high } = this.latest;
    const epoch = Math.round(((px - MARGIN.left) / (this.width - MARGIN.left - MARGIN.right)) * epochs);
    const value = high - ((py - MARGIN.top) / (this.height - MARGIN.top - MARGIN.bottom)) * (high - low);
    return [Math.min(Math.max(epoch, 0), epochs), Math.min(Math.max(value, low), high)];
  }

  // series: [{values, kind, label}], `values` by epoch with null where there is none; kind: a CSS class.
  draw({ series, epochs, epoch, low, high, unit }) {
    this.latest = { series, epochs, epoch, low, high, unit };
    this.width = Math.max(this.root.clientWidth, 200);
    this.height = this.svg.clientHeight || HEIGHT;
    this.svg.setAttribute("width", this.width);
    const X = (e) => MARGIN.left + (e / epochs) * (this.width - MARGIN.left - MARGIN.right);
    const Y = (v) => MARGIN.top + ((high - v) / (high - low)) * (this.height - MARGIN.top - MARGIN.bottom);
    const parts = ticks(low, high).map((v) => [
      shape("line", { x1: X(0), x2: X(epochs), y1: Y(v), y2: Y(v), class: "pg-grid" }),
      shape("text", { x: MARGIN.left - 6, y: Y(v) + 4, "text-anchor": "end" }, unit === "%" ? `${Math.round(100 * v)} %` : short(v)),
    ]);
    for (const e of ticks(0, epochs).filter(Number.isInteger)) {
      parts.push(shape("text", { x: X(e), y: this.height - 18, "text-anchor": "middle" }, String(e)));
    }
    parts.push(shape("text", { x: (X(0) + X(epochs)) / 2, y: this.height - 3, "text-anchor": "middle" }, "epoch"));
    if (epoch !== null) parts.push(shape("line", { x1: X(epoch), x2: X(epoch), y1: Y(low), y2: Y(high), class: "pg-now" }));
    if (this.pointed !== null) parts.push(shape("line", { x1: X(this.pointed), x2: X(this.pointed), y1: Y(low), y2: Y(high), class: "pg-pointed" }));
    for (const { values, kind } of series) {
      parts.push(shape("path", { d: path(values, X, (v) => Y(Math.min(Math.max(v, low), high))), class: `pg-curve ${kind}` }));
    }
    this.svg.replaceChildren(...parts.flat());
    const value = ({ values }) => {
      const v = values[this.pointed ?? epoch] ?? null;
      return v === null ? "" : ` ${unit === "%" ? percent(v) : short(v)}`;
    };
    this.legend.replaceChildren(...series.map((line) => element("li", {},
      shape("svg", { width: 26, height: 10, "aria-hidden": "true" }, shape("path", { d: "M1 5H25", class: `pg-curve ${line.kind}` })),
      line.label + value(line))), this.pointed === null ? "" : element("li", {}, `epoch ${this.pointed}`));
  }
}

function path(values, X, Y) {
  let text = "";
  let pen = "M";
  values.forEach((value, epoch) => {
    if (value === null || !Number.isFinite(value)) {
      pen = "M";
    } else {
      text += `${pen}${X(epoch).toFixed(1)} ${Y(value).toFixed(1)}`;
      pen = "L";
    }
  });
  return text;
}
