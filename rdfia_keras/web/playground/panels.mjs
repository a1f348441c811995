// The other parts of the page: two networks side by side, hidden units in the plane, guess then compare.
import { Chart, column, highestLoss } from "./chart.mjs";
import { element, numberCell, partsOf, percent, short } from "../shared/dom.mjs";
import { PlaneMap } from "../shared/map.mjs";
import { measure } from "../shared/perceptron.mjs";
import { suggestion } from "./settings.mjs";

export class ComparePanel {
  constructor(root, app) {
    this.app = app;
    this.part = partsOf(root);
    this.maps = ["a", "b"].map((name) => new PlaneMap(this.part(`map-${name}`), { label: `Decision map of network ${name.toUpperCase()}` }));
    this.chart = new Chart(this.part("chart"), { label: "Curves of both networks over the epochs" });
    this.scores = root.querySelectorAll('[name="pg-compare-score"]');
    this.scores.forEach((radio) => radio.addEventListener("change", () => this.draw()));
    this.part("what").addEventListener("change", (event) => this.set(event.target.value, suggestion(app.settings, event.target.value)));
    this.part("value").addEventListener("change", (event) => this.set(app.compare.name, event.target.value));
    this.part("numbers").addEventListener("toggle", () => this.drawNumbers());
  }

  set(name, value) {
    try {
      this.app.setCompare(name, value);
      this.part("error").textContent = "";
    } catch (error) {
      this.part("error").textContent = error.message;
    }
  }

  draw() {
    const { app, part } = this;
    const { name, value } = app.compare;
    const { epoch } = app.position;
    part("what").value = name;
    if (document.activeElement !== part("value")) part("value").value = value;
    [app.params, app.otherParams].forEach((params, n) =>
      this.maps[n].draw({ data: app.data, reach: app.reach, params }));
    const words = { lr: "eta", batch_size: "batch size", hidden_units: "n_h", init_std: "standard deviation" }[name];
    [[app.training, app.settings[name], "a"], [app.other, value, "b"]].forEach(([training, setting, letter]) => {
      const row = training.scores[Math.min(epoch, training.done)];
      part(`title-${letter}`).textContent = `${letter.toUpperCase()}: ${words} = ${setting}`;
      part(`scores-${letter}`).textContent = `test ${percent(row.test_accuracy)}, loss ${short(row.test_loss)}`
        + (training.diverged && epoch > training.done ? ` (diverged after epoch ${training.done})` : "");
    });
    part("caveat").hidden = name !== "hidden_units";
    this.drawCurves(epoch);
    this.drawNumbers();
  }

  drawCurves(epoch) {
    const { app } = this;
    const score = [...this.scores].find((radio) => radio.checked).value;
    const series = [["A", app.training, "pg-a"], ["B", app.other, "pg-b"]].flatMap(([letter, training, kind]) => [
      { values: column(training, `test_${score}`, epoch), kind, label: `${letter} test` },
      { values: column(training, `train_${score}`, epoch), kind: `${kind} pg-dashed`, label: `${letter} train` },
    ]);
    const range = score === "accuracy" ? { low: 0, high: 1, unit: "%" } : { low: 0, high: highestLoss(series.map((line) => line.values)), unit: "" };
    this.chart.draw({ series, epochs: app.settings.epochs, epoch, ...range });
  }

  // The table under the chart, for those who cannot hover: filled when it is opened.
  drawNumbers() {
    if (!this.part("numbers").open) return;
    const { app } = this;
    const names = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"];
    this.part("numbers-table").replaceChildren(
      element("thead", {}, element("tr", {}, ["A: epoch", ...names.map((name) => name.replace("_", " "))].map((title) =>
        element("th", { scope: "col" }, title)))),
      element("tbody", {}, app.training.scores.slice(0, app.position.epoch + 1).map((row, epoch) => element("tr", {},
        element("th", { scope: "row" }, String(epoch)), names.map((name) => numberCell(row[name]))))));
  }
}

export class UnitsPanel {
  constructor(root, app) {
    this.app = app;
    this.part = partsOf(root);
    this.map = new PlaneMap(this.part("map"), {
      label: "Decision map with the line of each hidden unit", onLine: (j) => app.toggleUnit(j), onHover: (j) => app.stress(j),
    });
    this.part("restore").addEventListener("click", () => {
      app.removed.clear();
      app.changed();
    });
    this.part("all").addEventListener("click", () => {
      app.removed = new Set(app.params.b_h.keys());
      app.changed();
    });
  }

  draw() {
    const { app, part } = this;
    const { params, removed, unit } = app;
    this.map.draw({ data: app.data, reach: app.reach, params, removed, lines: true, unit });
    this.drawButtons(params, removed, unit);
    const [whole, left] = [null, removed].map((set) => measure(params, app.data.test, set));
    const count = params.b_h.length - removed.size;
    part("answer").textContent = `With ${removed.size ? `${count} of ${params.b_h.length}` : `all ${count}`} hidden units: `
      + `test accuracy ${percent(left.accuracy)}, loss ${short(left.loss)}`
      + (removed.size ? ` (with all: ${percent(whole.accuracy)}, ${short(whole.loss)}).` : ".");
    part("restore").disabled = removed.size === 0;
    part("unit").textContent = unit === null || unit >= params.b_h.length
      ? "Point at a line, or move to a button with Tab." : this.describe(params, unit);
  }

  drawButtons(params, removed, unit) {
    const { app } = this;
    const list = this.part("units");
    if (list.children.length !== params.b_h.length) {
      list.replaceChildren(...params.b_h.map((_, j) => element("li", {}, element("button", {
        type: "button", "data-unit": j, onclick: () => app.toggleUnit(j), onfocus: () => app.stress(j), onblur: () => app.stress(null),
        onpointerenter: () => app.stress(j), onpointerleave: () => app.stress(null),
      }, `h[${j}]`))));
    }
    [...list.children].forEach(({ firstChild }, j) => {
      firstChild.setAttribute("aria-pressed", String(!removed.has(j)));
      firstChild.classList.toggle("pg-stressed", j === unit);
    });
  }

  describe(params, j) {
    const [a, b] = params.W_h[j];
    const says = params.W_y.map((row, i) => `W_y[${i},${j}] = ${short(row[j])}`).join(", ");
    return `Unit ${j}: the line ${short(a)} · x[0] + ${short(b)} · x[1] + ${short(params.b_h[j])} = 0; ${says}.`;
  }
}

export class GuessPanel {
  constructor(root, app) {
    this.app = app;
    this.part = partsOf(root);
    this.cursor = 0;
    this.last = null;
    this.chart = new Chart(this.part("chart"), { label: "Draw the curve you expect", onPoint: (...at) => this.point(...at) });
    this.chart.svg.setAttribute("tabindex", "0");
    this.chart.svg.setAttribute("aria-describedby", "pg-guess-keys");
    this.chart.svg.addEventListener("keydown", (event) => this.key(event));
    this.part("score").addEventListener("change", () => this.clear());
    this.part("clear").addEventListener("click", () => this.clear());
    this.part("reveal").addEventListener("click", () => this.reveal());
    this.part("scrub").addEventListener("input", (event) => app.goTo(Number(event.target.value)));
  }

  get score() {
    return this.part("score").value;
  }

  clear() {
    this.app.guess.clear();
    this.app.revealed = false;
    this.last = null;
    this.draw();
  }

  // Set the guess from the last point to this one, so that a fast pointer leaves no gaps.
  point(epoch, value) {
    if (epoch === null) {
      this.last = null;
      return;
    }
    const [from, start] = this.last ?? [epoch, value];
    const steps = Math.abs(epoch - from);
    for (let n = 0; n <= steps; n++) {
      const share = steps ? n / steps : 1;
      this.app.guess.set(Math.round(from + share * (epoch - from)), start + share * (value - start));
    }
    this.last = [epoch, value];
    this.cursor = epoch;
    this.draw();
  }

  key(event) {
    const { epochs } = this.app.settings;
    const high = this.chart.latest.high;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const [across, up] = moves[event.key];
    const value = this.app.guess.get(this.cursor) ?? high / 2;
    const next = Math.min(Math.max(this.cursor + across * Math.max(1, Math.round(epochs / 30)), 0), epochs);
    this.last = [this.cursor, value];
    this.point(next, Math.min(Math.max(value + up * high * 0.02, 0), high));
    this.last = null;
  }

  reveal() {
    this.app.revealed = true;
    this.app.goTo(this.app.settings.epochs);
  }

  draw() {
    const { app, part } = this;
    const { epochs } = app.settings;
    const { epoch } = app.position;
    const guess = Array.from({ length: epochs + 1 }, (_, e) => app.guess.get(e) ?? null);
    const real = app.revealed ? app.training.scores.map((row) => row[this.score]) : [];
    const series = [{ values: guess, kind: "pg-guess", label: "your guess" }];
    if (app.revealed) series.push({ values: real, kind: "pg-a", label: "network A" });
    const accuracy = this.score === "test_accuracy";
    this.chart.draw({
      series, epochs, epoch: app.revealed ? epoch : this.cursor, low: 0, high: accuracy ? 1 : 1.5, unit: accuracy ? "%" : "",
    });
    part("scrub").max = epochs;
    part("scrub").value = epoch;
    part("scrub").disabled = !app.revealed;
    part("reveal").disabled = app.revealed;
    part("verdict").textContent = this.verdict(real, accuracy);
  }

  verdict(real, accuracy) {
    const { app } = this;
    if (!app.revealed) return app.guess.size ? "" : "Draw over the chart, then reveal.";
    const row = app.training.scores[app.position.epoch];
    const at = `Epoch ${app.position.epoch}: ${accuracy ? percent(row.test_accuracy) : short(row.test_loss)}.`;
    const gaps = [...app.guess].filter(([epoch]) => epoch < real.length).map(([epoch, value]) => Math.abs(value - real[epoch]));
    if (gaps.length === 0) return at;
    const mean = gaps.reduce((a, b) => a + b, 0) / gaps.length;
    return `${at} Your guess was off by ${accuracy ? `${(100 * mean).toFixed(1)} points` : short(mean)} on average.`;
  }
}
