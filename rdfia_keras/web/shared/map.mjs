// The plane: the network's probabilities as colour, the points, and the lines where a hidden unit is 0.
import { element, shape } from "./dom.mjs";
import { forward } from "./perceptron.mjs";

const SIZE = 200;
const CELLS = 64;
const COLOURS = 6;

// The square [-reach, reach]² that holds every point.
export function reachOf({ train, test }) {
  const largest = Math.max(...[...train, ...test].flatMap(({ x }) => x.map(Math.abs)));
  return Math.max(2, 1.1 * largest);
}

// The mark of a point: round, square or a diamond.
export function markOf(label, kind, more = {}) {
  const attributes = { class: `pg-point ${kind} pg-class-${label}`, ...more };
  if (label === 0) return shape("circle", { ...attributes, r: 2.6 });
  return shape("path", { ...attributes, d: label === 1 ? "M-2.3-2.3H2.3V2.3H-2.3Z" : "M0-3.2L3.2 0L0 3.2L-3.2 0Z" });
}

// Where a class is as probable as the most probable other one, by marching squares over the answers of the cells.
function boundaryPath(answers, classes) {
  const parts = [];
  for (let c = classes === 2 ? 1 : 0; c < classes; c++) {
    const lead = answers.map((p) => p[c] - Math.max(...p.filter((_, i) => i !== c)));
    for (let at = 0; at < CELLS * (CELLS - 1); at++) {
      const signs = (lead[at] < 0) + (lead[at + 1] < 0) + (lead[at + CELLS] < 0) + (lead[at + CELLS + 1] < 0);
      if ((at + 1) % CELLS === 0 || signs === 0 || signs === 4) continue;
      const [column, row] = [at % CELLS, Math.floor(at / CELLS)];
      const corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([x, y]) => [column + x, row + y, lead[at + x + y * CELLS]]);
      const ends = corners.map((corner, i) => crossing(corner, corners[(i + 1) % 4])).filter(Boolean);
      for (let i = 0; i + 1 < ends.length; i += 2) parts.push(`M${ends[i]}L${ends[i + 1]}`);
    }
  }
  return parts.join("");
}

// Where the line between the centres of two cells is 0, in the units of the map; null if it is not.
function crossing([x, y, a], [u, v, b]) {
  if (a < 0 === b < 0) return null;
  const share = a / (a - b);
  return [x + share * (u - x), y + share * (v - y)].map((cell) => (((cell + 0.5) * SIZE) / CELLS).toFixed(2)).join(" ");
}

export class PlaneMap {
  // onPoint: called with the number of a training point; onLine, onHover: with a hidden unit (onHover: or null);
  // onPlane: with x1, x2.
  constructor(root, { label, onPoint = null, onLine = null, onHover = null, onPlane = null }) {
    this.calls = { onPoint, onLine, onHover };
    this.canvas = element("canvas", { width: CELLS, height: CELLS, "aria-hidden": "true" });
    this.lines = shape("g");
    this.points = shape("g");
    this.boundary = shape("path", { class: "pg-boundary" });
    this.cursor = shape("path", { class: "pg-cursor" });
    this.svg = shape("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": label }, this.boundary, this.lines, this.points, this.cursor);
    this.value = element("span", { class: "pg-at", hidden: true });
    this.probes = Array.from({ length: COLOURS }, (_, i) => element("i", { class: `pg-probe pg-ink-${i}`, hidden: true }));
    root.classList.add("pg-map");
    root.append(this.canvas, this.svg, this.value, ...this.probes);
    this.shown = null;
    if (onPlane) this.svg.addEventListener("click", (event) => onPlane(...this.plane(event)));
    this.svg.addEventListener("pointermove", (event) => this.tell(this.plane(event)));
    this.svg.addEventListener("pointerleave", () => this.tell(null));
  }

  // Write the place x and the network's answer there into the corner.
  tell(x) {
    this.value.hidden = x === null;
    if (x === null) return;
    const place = `x = (${x.map((v) => v.toFixed(2)).join(", ")})`.replaceAll("-", "\u2212");
    const y_hat = this.answer ? `, y_hat = (${this.answer(x).map((p) => p.toFixed(2)).join(", ")})` : "";
    this.value.textContent = place + y_hat;
  }

  // Mark the place where a key would draw a point.
  showCursor(x) {
    const [cx, cy] = this.toMap(x);
    this.cursor.setAttribute("d", `M${cx - 5} ${cy}h10M${cx} ${cy - 5}v10`);
    this.tell(x);
  }

  plane(event) {
    const box = this.svg.getBoundingClientRect();
    const at = (offset, length) => ((2 * offset) / length - 1) * this.reach;
    return [at(event.clientX - box.left, box.width), -at(event.clientY - box.top, box.height)];
  }

  toMap([x1, x2]) {
    return [(SIZE / 2) * (1 + x1 / this.reach), (SIZE / 2) * (1 - x2 / this.reach)];
  }

  // data: its points; reach: of the square; params: null for no network; batch, example: numbers of training points to
  // mark; lines: whether to draw the hidden units; unit: the one to stress; answer: y_hat of an x, where not forward's.
  draw({ data, reach, params = null, removed = null, batch = [], example = null, lines = false, unit = null, test = true, answer = null }) {
    this.reach = reach;
    this.answer = params && (answer ?? ((x) => forward(params, x, removed).y_hat));
    this.paint(data.classes.length);
    this.drawPoints(data, test);
    const inBatch = new Set(batch);
    this.marks.forEach((mark, n) => {
      mark.classList.toggle("pg-in-batch", inBatch.has(n));
      mark.classList.toggle("pg-chosen", n === example);
    });
    for (const n of batch) this.points.append(this.marks[n]);
    if (example !== null && this.marks[example]) this.points.append(this.marks[example]);
    this.drawLines(lines ? params : null, removed, unit);
  }

  paint(classes) {
    const context = this.canvas.getContext("2d");
    this.boundary.removeAttribute("d");
    if (!this.answer) {
      context.clearRect(0, 0, CELLS, CELLS);
      return;
    }
    const answers = [];
    const colours = this.probes.slice(0, classes).map((probe) => getComputedStyle(probe).color.match(/[\d.]+/g).map(Number));
    const image = context.createImageData(CELLS, CELLS);
    for (let row = 0; row < CELLS; row++) {
      for (let column = 0; column < CELLS; column++) {
        const x = [((2 * column + 1) / CELLS - 1) * this.reach, (1 - (2 * row + 1) / CELLS) * this.reach];
        const y_hat = this.answer(x);
        answers.push(y_hat);
        const at = 4 * (row * CELLS + column);
        for (let c = 0; c < 3; c++) image.data[at + c] = y_hat.reduce((sum, p, i) => sum + p * colours[i][c], 0);
        image.data[at + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
    this.boundary.setAttribute("d", boundaryPath(answers, classes));
  }

  // Training points are filled, test points are hollow; class 0 is round, class 1 square, the others are diamonds.
  drawPoints(data, test) {
    if (this.shown?.data === data && this.shown.reach === this.reach) return;
    this.shown = { data, reach: this.reach };
    this.marks = data.train.map((point, n) => {
      const mark = this.mark(point, "pg-train");
      if (this.calls.onPoint) mark.addEventListener("click", () => this.calls.onPoint(n));
      return mark;
    });
    const hollow = test ? data.test.map((point) => this.mark(point, "pg-test")) : [];
    this.points.replaceChildren(...hollow, ...this.marks);
  }

  mark({ x, label }, kind) {
    const [cx, cy] = this.toMap(x);
    return markOf(label, kind, { transform: `translate(${cx.toFixed(2)} ${cy.toFixed(2)})` });
  }

  drawLines(params, removed, unit) {
    if (!params) {
      this.lines.replaceChildren();
      return;
    }
    const { onLine, onHover } = this.calls;
    this.lines.replaceChildren(...params.W_h.map((w, j) => {
      const ends = this.ends(w, params.b_h[j]);
      if (!ends) return shape("g");
      const [[x1, y1], [x2, y2]] = ends.map((end) => this.toMap(end));
      const line = (kind) => shape("line", { x1, y1, x2, y2, class: kind });
      const state = `pg-unit${removed?.has(j) ? " pg-removed" : ""}${j === unit ? " pg-stressed" : ""}`;
      return shape("g", {
        class: state, "data-unit": j,
        onclick: () => onLine?.(j), onpointerenter: () => onHover?.(j), onpointerleave: () => onHover?.(null),
      }, line("pg-unit-target"), line("pg-unit-line"), shape("title", {}, `hidden unit ${j}: h_tilde[${j}] = 0`));
    }));
  }

  // Where w · x + b = 0 enters and leaves the square; null when it does not.
  ends([w1, w2], b) {
    const r = this.reach;
    const found = [];
    if (w2 !== 0) for (const x of [-r, r]) found.push([x, -(w1 * x + b) / w2]);
    if (w1 !== 0) for (const y of [-r, r]) found.push([-(w2 * y + b) / w1, y]);
    const inside = found.filter((end) => end.every((v) => Math.abs(v) <= r * (1 + 1e-9)));
    return inside.length >= 2 ? [inside[0], inside.at(-1)] : null;
  }
}
