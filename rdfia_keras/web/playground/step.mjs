// One step, taken apart: an example from x to the loss, a weight's gradient as a sum over the batch, and the step.
import { element, numberCell, partsOf, short } from "../shared/dom.mjs";
import { PlaneMap } from "../shared/map.mjs";
import { backward, backwardExample, crossEntropy, forward } from "../shared/perceptron.mjs";

// The stages, and the columns of the tables that each is about.
const STAGES = [
  { name: "x", about: [] },
  { name: "h_tilde", about: ["W_h", "b_h", "h_tilde"] },
  { name: "h", about: ["h_tilde", "h"] },
  { name: "y_tilde", about: ["h", "W_y", "b_y", "y_tilde"] },
  { name: "y_hat", about: ["y_tilde", "y_hat"] },
  { name: "loss", about: ["y_hat", "y"] },
  { name: "grad y_tilde", about: ["y_hat", "y", "grad_y_tilde"] },
  { name: "grad h_tilde", about: ["h", "W_y", "grad_h_tilde", "grad_y_tilde"] },
  { name: "grad of a weight", about: [] },
  { name: "w − eta · grad", about: [] },
];
const GRADIENT = 8;
const UPDATE = 9;

export class StepPanel {
  constructor(root, app) {
    this.app = app;
    this.stage = 0;
    this.unit = 0;
    this.weight = { name: "W_h", i: 0, k: 0 };
    this.part = partsOf(root);
    this.map = new PlaneMap(this.part("map"), {
      label: "The plane with the training points; click one to follow it", onPoint: (n) => this.follow(n),
    });
    this.part("stages").append(...STAGES.map(({ name }, n) => element("li", {},
      element("button", { type: "button", onclick: () => this.go(n) }, name))));
    this.part("back").addEventListener("click", () => this.go(this.stage - 1));
    this.part("next").addEventListener("click", () => this.go(this.stage + 1));
    this.part("take").addEventListener("click", () => app.oneStep());
    this.part("earlier").addEventListener("click", () => this.follow(app.example - 1));
    this.part("later").addEventListener("click", () => this.follow(app.example + 1));
    this.part("first").addEventListener("click", () => this.follow(null));
  }

  follow(n) {
    const count = this.app.data.train.length;
    this.app.chosen = n === null ? null : (n + count) % count;
    this.app.changed();
  }

  go(stage) {
    this.stage = Math.min(Math.max(stage, 0), STAGES.length - 1);
    this.draw();
  }

  choose(name, i, k = null) {
    this.weight = { name, i, k };
    if (name === "W_h" || name === "b_h") this.unit = i;
    if (name === "W_y") this.unit = k;
    this.go(Math.max(this.stage, GRADIENT));
  }

  draw() {
    const { app } = this;
    const { train } = app.data;
    this.params = app.params;
    this.batch = app.batch;
    if (this.unit >= this.params.b_h.length) this.unit = 0;
    const { name, i, k } = this.weight;
    if (this.params[name][i] === undefined || (k !== null && this.params[name][i][k] === undefined)) {
      this.weight = { name: "W_h", i: 0, k: 0 };
    }
    this.point = train[app.example];
    this.outputs = forward(this.params, this.point.x);
    // At the end of the training there is no next batch: the example stands alone.
    this.size = this.batch.length || 1;
    this.grads = backwardExample(this.params, this.outputs, this.point.y, this.size);
    this.drawExample();
    this.drawStages();
    this.part("formula").replaceChildren(...this.formula());
    this.drawHidden();
    this.drawOutputs();
    this.drawGradient();
  }

  drawExample() {
    const { app, map } = this;
    map.draw({ data: app.data, reach: app.reach, params: this.params, batch: this.batch, example: app.example, test: false });
    const { label } = this.point;
    const place = this.batch.indexOf(app.example);
    const belongs = this.batch.length === 0 ? "The training is over." : place < 0
      ? "It is not in the next batch (ringed)." : `It is number ${place + 1} of the ${this.batch.length} in the next batch (ringed).`;
    this.part("example").textContent =
      `Training example ${app.example}, class ${label} (${app.data.classes[label]}). ${belongs}`;
  }

  drawStages() {
    [...this.part("stages").children].forEach((item, n) => {
      item.firstChild.setAttribute("aria-current", n === this.stage ? "step" : "false");
    });
    this.part("back").disabled = this.stage === 0;
    this.part("next").disabled = this.stage === STAGES.length - 1;
    this.part("take").disabled = this.app.atEnd;
  }

  // The stage in names, then in numbers.
  formula() {
    const { params: { W_h, b_h, W_y, b_y }, outputs: { x, h_tilde, h, y_tilde, y_hat }, unit: j, point, grads } = this;
    const s = short;
    const plus = (terms) => terms.join(" + ");
    const product = (a, b) => `${signed(a)} · ${signed(b)}`;
    const truth = point.label;
    const row = (list) => `[${list.map(s).join(", ")}]`;
    const lines = {
      0: ["The example's row of the data, and its one-hot target.", `x = ${row(x)}`, `y = ${row(point.y)}`],
      1: [`Hidden unit ${j}: its weights times x, plus its bias. Click a row below for another unit.`,
        `h_tilde[${j}] = W_h[${j},0] · x[0] + W_h[${j},1] · x[1] + b_h[${j}]`,
        `= ${product(W_h[j][0], x[0])} + ${product(W_h[j][1], x[1])} + ${signed(b_h[j])} = ${s(h_tilde[j])}`],
      2: [`Hidden unit ${j} answers between −1 and 1.`, `h[${j}] = tanh(h_tilde[${j}])`, `= tanh(${s(h_tilde[j])}) = ${s(h[j])}`],
      3: [`Class ${truth}: the hidden units' answers, weighted and added.`,
        `y_tilde[${truth}] = Σ_j W_y[${truth},j] · h[j] + b_y[${truth}]`,
        `= ${plus(h.slice(0, 3).map((v, n) => product(W_y[truth][n], v)))}${h.length > 3 ? " + …" : ""} + ${signed(b_y[truth])} = ${s(y_tilde[truth])}`],
      4: ["Softmax: positive numbers that add up to 1.", `y_hat[${truth}] = exp(y_tilde[${truth}]) / Σ_i exp(y_tilde[i])`,
        `= exp(${s(y_tilde[truth])}) / (${plus(y_tilde.map((v) => `exp(${s(v)})`))}) = ${s(y_hat[truth])}`],
      5: ["Cross-entropy: only the probability of the true class counts.", `loss = −Σ_i y[i] · log(y_hat[i]) = −log(y_hat[${truth}])`,
        `= −log(${s(y_hat[truth])}) = ${s(crossEntropy(y_tilde, point.y))}`],
      6: ["Backwards. The loss is averaged over the batch, hence the division.",
        `grad_y_tilde[${truth}] = (y_hat[${truth}] − y[${truth}]) / ${this.size}`,
        `= (${s(y_hat[truth])} − 1) / ${this.size} = ${s(grads.grad_y_tilde[truth])}`],
      7: [`Hidden unit ${j}: what each class sends back, times the slope of tanh.`,
        `grad_h_tilde[${j}] = (Σ_i grad_y_tilde[i] · W_y[i,${j}]) · (1 − h[${j}]²)`,
        `= (${plus(grads.grad_y_tilde.map((g, i) => product(g, W_y[i][j])))}) · (1 − ${signed(h[j])}²) = ${s(grads.grad_h_tilde[j])}`],
      [GRADIENT]: this.weightLines(false),
      [UPDATE]: this.weightLines(true),
    };
    const [words, ...maths] = lines[this.stage];
    return [element("p", {}, words), ...maths.map((line) => element("p", { class: "pg-maths" }, line))];
  }

  get weightName() {
    const { name, i, k } = this.weight;
    return k === null ? `${name}[${i}]` : `${name}[${i},${k}]`;
  }

  get weightValue() {
    const { name, i, k } = this.weight;
    return k === null ? this.params[name][i] : this.params[name][i][k];
  }

  // The factors of one example of the batch in the gradient of the chosen weight: [gradient above, input].
  factors({ x, y }) {
    const { name, i, k } = this.weight;
    const outputs = forward(this.params, x);
    const { grad_y_tilde, grad_h_tilde } = backwardExample(this.params, outputs, y, this.size);
    const above = name.endsWith("_h") ? grad_h_tilde[i] : grad_y_tilde[i];
    const input = k === null ? 1 : name === "W_h" ? x[k] : outputs.h[k];
    return [above, input];
  }

  get gradient() {
    const { name, i, k } = this.weight;
    const grads = backward(this.params, this.batch.map((n) => this.app.data.train[n]));
    return k === null ? grads[name][i] : grads[name][i][k];
  }

  weightLines(update) {
    const w = this.weightName;
    if (this.batch.length === 0) return ["The training is over: there is no next batch. Go back to an earlier epoch."];
    if (!update) {
      return [`The gradient of ${w} is a sum over the ${this.size} examples of the batch; the table below has each of them. `
        + "Click another weight in the tables.", `grad ${w} = Σ_n ${this.factorNames()} = ${short(this.gradient)}`];
    }
    const { lr } = this.app.settings;
    return [`One step down the gradient: the same for every weight. "Take this step" does it.`,
      `${w} ← ${w} − eta · grad ${w}`,
      `= ${short(this.weightValue)} − ${lr} · ${signed(this.gradient)} = ${short(this.weightValue - lr * this.gradient)}`];
  }

  factorNames() {
    const { name, i, k } = this.weight;
    const above = `grad_${name.endsWith("_h") ? "h" : "y"}_tilde[n,${i}]`;
    return k === null ? above : `${above} · ${name === "W_h" ? "x" : "h"}[n,${k}]`;
  }

  // A cell of a weight: a button that chooses it.
  weightCell(name, i, k = null) {
    const value = k === null ? this.params[name][i] : this.params[name][i][k];
    const chosen = this.weight.name === name && this.weight.i === i && this.weight.k === k && this.stage >= GRADIENT;
    const label = k === null ? `${name}[${i}]` : `${name}[${i},${k}]`;
    return element("td", { class: this.kind(name) },
      element("button", {
        type: "button", class: "pg-weight", "aria-pressed": String(chosen), "data-weight": label, "data-value": String(value),
        title: `${label} = ${value}`, "aria-label": `${label} = ${short(value)}`, onclick: () => this.choose(name, i, k),
      }, short(value)));
  }

  kind(column) {
    const { about } = STAGES[this.stage];
    if (about.length === 0) return "";
    return about.includes(column) ? "pg-about" : "pg-aside";
  }

  drawHidden() {
    const { params: { W_y }, outputs: { h_tilde, h }, grads } = this;
    const late = this.stage >= 7;
    const head = [["j"], ["W_h", "W_h[j,0]"], ["W_h", "W_h[j,1]"], ["b_h", "b_h"], ["h_tilde", "h_tilde"], ["h", "h"],
      ...W_y.map((_, i) => ["W_y", `W_y[${i},j]`]), ...(late ? [["grad_h_tilde", "grad h_tilde"]] : [])];
    this.part("hidden").replaceChildren(
      element("thead", {}, element("tr", {}, head.map(([column, name]) => element("th", { scope: "col", class: this.kind(column) }, name ?? column)))),
      element("tbody", {}, h.map((value, j) => element("tr", { class: j === this.unit ? "pg-row" : "" },
        element("th", { scope: "row" }, element("button", {
          type: "button", class: "pg-weight", "aria-pressed": String(j === this.unit), "aria-label": `hidden unit ${j}`,
          onclick: () => this.chooseUnit(j),
        }, String(j))),
        this.weightCell("W_h", j, 0), this.weightCell("W_h", j, 1), this.weightCell("b_h", j),
        this.valueCell("h_tilde", h_tilde[j], 1), this.valueCell("h", value, 2),
        W_y.map((_, i) => this.weightCell("W_y", i, j)),
        late ? this.valueCell("grad_h_tilde", grads.grad_h_tilde[j], 7) : null))));
  }

  chooseUnit(j) {
    this.unit = j;
    this.draw();
  }

  // A value that is empty until its stage.
  valueCell(column, value, stage) {
    return this.stage >= stage ? numberCell(value, { class: this.kind(column) }) : element("td", { class: this.kind(column) }, "·");
  }

  drawOutputs() {
    const { outputs: { y_tilde, y_hat }, point, grads, stage } = this;
    const columns = ["b_y", "y_tilde", "y_hat", "y", "grad_y_tilde"];
    const names = ["i", "b_y[i]", "y_tilde[i]", "y_hat[i]", "y[i]", "grad y_tilde[i]"];
    this.part("outputs").replaceChildren(
      element("thead", {}, element("tr", {}, names.map((name, n) =>
        element("th", { scope: "col", class: n ? this.kind(columns[n - 1]) : "" }, name)))),
      element("tbody", {}, y_tilde.map((value, i) => element("tr", { class: i === point.label ? "pg-row" : "" },
        element("th", { scope: "row" }, String(i)), this.weightCell("b_y", i),
        this.valueCell("y_tilde", value, 3), this.valueCell("y_hat", y_hat[i], 4),
        numberCell(point.y[i], { class: this.kind("y") }), this.valueCell("grad_y_tilde", grads.grad_y_tilde[i], 6)))));
    this.part("loss").textContent = stage >= 5 ? `loss of this example = ${short(crossEntropy(y_tilde, point.y))}` : "";
  }

  drawGradient() {
    const shown = this.stage >= GRADIENT && this.batch.length > 0;
    this.part("sum").hidden = !shown;
    if (!shown) return;
    const { name, k } = this.weight;
    const rows = this.batch.map((n) => [n, ...this.factors(this.app.data.train[n])]);
    const input = name === "W_h" ? `x[n,${k}]` : `h[n,${k}]`;
    const above = this.factorNames().split(" ")[0];
    this.part("sum-title").textContent = `grad ${this.weightName}, example by example`;
    this.part("sum-table").replaceChildren(
      element("thead", {}, element("tr", {}, ["n", above, ...(k === null ? [] : [input, "product"])].map((title) =>
        element("th", { scope: "col" }, title)))),
      element("tbody", {}, rows.map(([n, a, b]) => element("tr", { class: n === this.app.example ? "pg-row" : "" },
        element("th", { scope: "row" }, String(n)), numberCell(a), ...(k === null ? [] : [numberCell(b), numberCell(a * b)])))),
      element("tfoot", {}, element("tr", {}, element("th", { scope: "row" }, "sum"),
        k === null ? null : [element("td"), element("td")], numberCell(this.gradient, { "data-part": "gradient" }))));
  }
}

// A factor: negative numbers in brackets.
function signed(value) {
  const text = short(value);
  return text.startsWith("−") ? `(${text})` : text;
}
