// Mistakes to switch on: what they do to the training, and whether the gradient is still that of the loss.
import { Chart } from "./chart.mjs";
import { element, partsOf, percent, short } from "../shared/dom.mjs";
import { PlaneMap } from "../shared/map.mjs";
import { gradientAgrees, gradientError } from "./mistakes.mjs";

export class SwitchesPanel {
  constructor(root, app) {
    this.app = app;
    this.part = partsOf(root);
    this.map = new PlaneMap(this.part("map"), { label: "Decision map of the network with the mistake" });
    this.chart = new Chart(this.part("chart"), { label: "Curves with and without the mistake" });
    this.part("details").open = app.mistake !== null;
    this.part("details").addEventListener("toggle", () => this.draw());
    this.part("score").addEventListener("change", () => this.draw());
    this.part("train").addEventListener("click", () => app.goTo(app.settings.epochs));
    this.buttons = app.facts.mistakes.map((mistake) => [mistake, element("button", {
      type: "button", "data-mistake": `${mistake.exercise}.${mistake.name}`, onclick: () => this.toggle(mistake),
    }, mistake.name.replaceAll("-", " "))]);
    for (const exercise of new Set(app.facts.mistakes.map((mistake) => mistake.exercise))) {
      const own = this.buttons.filter(([mistake]) => mistake.exercise === exercise).map(([, button]) => button);
      this.part("list").append(element("dt", {}, exercise), element("dd", {}, own));
    }
  }

  toggle(mistake) {
    this.app.setMistake(this.app.mistake === mistake ? null : mistake);
  }

  draw() {
    const { app, part } = this;
    if (!part("details").open) return;
    for (const [mistake, button] of this.buttons) button.setAttribute("aria-pressed", String(mistake === app.mistake));
    part("shown").hidden = app.mistake === null;
    part("sentence").textContent = app.mistake ? `${app.mistake.exercise}: ${app.mistake.sentence}` : "Everything is right. Switch a mistake on.";
    if (app.mistake === null) return;
    const { mistaken, position: { epoch } } = app;
    mistaken.extendTo(epoch);
    const at = Math.min(epoch, mistaken.done);
    const params = mistaken.at(at);
    this.drawLamp(params, Math.min(at, app.settings.epochs - 1));
    this.map.draw({ data: app.data, reach: app.reach, params, answer: (x) => mistaken.maths.probabilities(params, x) });
    const row = mistaken.scores[at];
    part("scores").textContent = `With the mistake: test ${percent(row.test_accuracy)}, loss ${short(row.test_loss)}`
      + (mistaken.diverged && epoch > mistaken.done ? ` (diverged after epoch ${mistaken.done})` : "");
    this.drawCurves(epoch);
  }

  // The gradient of the batch that the epoch begins with.
  drawLamp(params, epoch) {
    const { app: { data, mistaken, mistake }, part } = this;
    const relative = gradientError(mistaken.maths, params, mistaken.batch(epoch, 0).map((n) => data.train[n]));
    const agrees = gradientAgrees(relative);
    part("lamp").dataset.state = agrees ? "green" : "red";
    part("lamp").textContent = agrees
      ? `Green: the gradient is that of the loss (relative difference ${short(relative)}). The mistake in ${mistake.exercise} is one that finite differences cannot see here.`
      : `Red: the gradient is not that of the loss; ${Number.isNaN(relative) ? "one of them is no number" : `they differ by ${short(100 * relative)} % of the largest entry`}.`;
  }

  drawCurves(epoch) {
    const { app, part } = this;
    const score = part("score").value;
    const values = (training) => training.scores.map((row, e) => (e <= epoch ? row[score] : null));
    const series = [
      { values: values(app.training), kind: "pg-a", label: "network A" },
      { values: values(app.mistaken), kind: "pg-b", label: "with the mistake" },
    ];
    const finite = series.flatMap((line) => line.values).filter((value) => value !== null && Number.isFinite(value));
    const range = score === "test_accuracy" ? { low: 0, high: 1, unit: "%" }
      : { low: Math.max(Math.min(0, ...finite), -3), high: Math.min(Math.max(0.75, ...finite) * 1.05, 3), unit: "" };
    this.chart.draw({ series, epochs: app.settings.epochs, epoch, ...range });
  }
}
