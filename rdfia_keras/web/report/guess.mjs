// Guess first: the reader draws each step's accuracy, then the values appear.
import { element, percent } from "../shared/dom.mjs";
import { drawPlot } from "./charts.mjs";

const LOWEST = 50;

export class LadderGuess {
  // steps: [{name, published, published_words, reference, yours}], numbers in percent; yours may be null.
  constructor(place, toggle, hint, answers, steps) {
    Object.assign(this, { place, toggle, hint, answers, steps });
    this.guesses = steps.map(() => null);
    this.revealed = steps.map(() => false);
    this.toggle.addEventListener("click", () => this.show(this.place.hidden));
    this.plot = element("div", { class: "chart-plot", role: "img", "aria-label": "Your guess for each step" });
    this.lines = steps.map((step, n) => this.line(step, n));
    this.place.append(
      element("p", {}, "Where does each step end up? Click into the chart or move the sliders, then reveal. All are test accuracies on CIFAR-10."),
      this.plot, element("ol", { class: "guesses" }, ...this.lines.map(({ item }) => item)));
    this.plot.addEventListener("click", (event) => this.click(event));
  }

  line({ name }, n) {
    const output = element("output", {}, "?");
    const slider = element("input", { type: "range", min: LOWEST, max: 100, step: 0.5, value: 70, "aria-label": `Your guess for ${name}`,
      oninput: () => this.guess(n, Number(slider.value)) });
    const button = element("button", { type: "button", disabled: true, onclick: () => this.reveal(n) }, "Reveal");
    const result = element("span", { "aria-live": "polite" });
    return { output, slider, button, result, item: element("li", {}, element("b", {}, name), slider, output, button, result) };
  }

  show(isShown) {
    this.place.hidden = !isShown;
    this.toggle.setAttribute("aria-pressed", String(isShown));
    this.toggle.textContent = isShown ? "Show the results" : "Guess first";
    this.answers.hidden = isShown;
    this.hint.textContent = "";
    if (isShown) this.draw();
  }

  guess(n, value) {
    if (this.revealed[n]) return;
    const line = this.lines[n];
    this.guesses[n] = Math.min(Math.max(value, LOWEST), 100);
    line.slider.value = this.guesses[n];
    line.output.textContent = `${this.guesses[n]} %`;
    line.button.disabled = false;
    this.draw();
  }

  reveal(n) {
    const { published_words, reference, yours } = this.steps[n];
    this.revealed[n] = true;
    const line = this.lines[n];
    line.slider.disabled = line.button.disabled = true;
    const off = this.guesses[n] - reference;
    const trained = yours === null ? "" : `, your runs ${percent(yours / 100)}`;
    line.result.textContent = `reference ${percent(reference / 100)}, published ${published_words}${trained}: ${Math.abs(off).toFixed(1)} points too ${off < 0 ? "low" : "high"}`;
    if (this.revealed.every(Boolean)) {
      const mean = this.guesses.reduce((sum, guess, i) => sum + Math.abs(guess - this.steps[i].reference), 0) / this.steps.length;
      this.hint.textContent = `All six: your guesses are ${mean.toFixed(1)} points off on average.`;
    }
    this.draw();
  }

  // Where the click is, in the chart's own units.
  click(event) {
    const { xaxis, yaxis } = this.plot._fullLayout;
    const box = this.plot.getBoundingClientRect();
    const n = Math.round(xaxis.p2c(event.clientX - box.left - xaxis._offset));
    const value = yaxis.p2c(event.clientY - box.top - yaxis._offset);
    if (n >= 0 && n < this.steps.length) this.guess(n, Math.round(2 * value) / 2);
  }

  draw() {
    if (this.place.hidden) return;
    const names = this.steps.map(({ name }) => name);
    const shown = (key) => this.steps.map((step, n) => (this.revealed[n] ? step[key] : null));
    const trace = (name, y, colour, symbol, mode) => ({ type: "scatter", mode, name, x: names, y, marker: { color: colour, symbol, size: 12, line: { width: symbol.endsWith("-open") ? 2 : 0 } }, line: { color: colour } });
    const traces = [
      trace("your guess", this.guesses, "var(--ink)", "x", "lines+markers"),
      trace("reference", shown("reference"), "var(--series-0)", "circle", "markers"),
      trace("yours", shown("yours"), "var(--series-2)", "square", "markers"),
      trace("published", shown("published"), "var(--series-1)", "diamond-open", "markers"),
    ];
    drawPlot(this.plot, traces, {
      height: 320, dragmode: false,
      xaxis: { fixedrange: true, type: "category", range: [-0.5, names.length - 0.5], categoryarray: names },
      yaxis: { fixedrange: true, range: [LOWEST, 100], title: { text: "test accuracy (%)" } },
    });
  }
}
