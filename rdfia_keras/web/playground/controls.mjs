// Controls: the bar that plays, the settings, the data, presets, weights, the command, keys.
import { Chart, column, highestLoss } from "./chart.mjs";
import { element, partsOf, percent, saveFile, shape, short } from "../shared/dom.mjs";
import { PlaneMap, markOf } from "../shared/map.mjs";
import { SHAPE_NAMES, parseCsv, toCsv } from "./points.mjs";
import { SETTINGS, weightsFromJson, weightsToJson } from "./settings.mjs";

export class Bar {
  constructor(root, app) {
    this.app = app;
    this.part = partsOf(root);
    this.part("play").addEventListener("click", () => app.togglePlay());
    this.part("step").addEventListener("click", () => this.step());
    this.part("epoch").addEventListener("click", () => app.oneEpoch());
    this.part("reset").addEventListener("click", () => app.begin());
    this.part("scrub").addEventListener("input", (event) => app.goTo(Number(event.target.value)));
  }

  step() {
    this.app.pause();
    this.app.oneStep();
  }

  draw() {
    const { app, part } = this;
    const { epoch, step } = app.position;
    const { training } = app;
    const row = training.scores[epoch];
    part("play").textContent = app.playing ? "Pause" : "Play";
    part("step").disabled = part("epoch").disabled = app.atEnd;
    part("scrub").max = app.settings.epochs;
    part("scrub").value = epoch;
    part("scrub").setAttribute("aria-valuetext", `epoch ${epoch} of ${app.settings.epochs}`);
    part("where").textContent = `epoch ${epoch} / ${app.settings.epochs}${step ? `, step ${step} / ${training.steps}` : ""}`;
    part("scores").textContent = `test ${percent(row.test_accuracy)}, loss ${short(row.test_loss)}`;
    app.measureGap();
    part("note").textContent = this.note();
  }

  note() {
    const { app } = this;
    if (app.training.diverged) return `The training diverges after epoch ${app.training.done}: try a smaller eta.`;
    if (!app.roundingDecides) return "";
    return `Here rounding decides: a change of 2e−16 in the initial weights moves a curve by ${short(app.gap)}, `
      + "so Python's curve is another one.";
  }
}

// Do something, or say in a sentence why not.
function attempt(place, action) {
  try {
    action();
    place.textContent = "";
  } catch (error) {
    place.textContent = error.message;
  }
}

// The text of the file that is chosen in an input; the same file can be chosen again.
function onFile(input, use) {
  input.addEventListener("change", async () => {
    const [file] = input.files;
    const text = file ? await file.text() : null;
    input.value = "";
    if (text !== null) use(text);
  });
}

// The first screen: settings, data, the network's map and curves.
export class Controls {
  constructor(root, app) {
    this.app = app;
    this.root = root;
    this.part = partsOf(root);
    this.cursor = [0, 0];
    this.inputs = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, root.querySelector(`[name="${name}"]`)]));
    for (const [name, input] of Object.entries(this.inputs)) {
      input.addEventListener("change", () => attempt(this.part("settings-error"), () => app.set(name, input.value)));
    }
    this.noise = root.querySelector('[name="noise"]');
    this.noise.addEventListener("change", () => attempt(this.part("settings-error"), () => app.setNoise(this.noise.value)));
    this.chart = new Chart(this.part("chart"), { label: "Curves of network A over the epochs" });
    this.scores = root.querySelectorAll('[name="pg-score"]');
    this.scores.forEach((radio) => radio.addEventListener("change", () => this.draw()));
    this.listenToMap();
    this.listenToData();
  }

  listenToMap() {
    const { app, part, root } = this;
    this.map = new PlaneMap(part("map"), {
      label: "Decision map of network A, with its points",
      onPlane: (x1, x2) => app.source === "drawn" && app.drawPoint(x1, x2, Number(root.querySelector('[name="pg-class"]:checked').value)),
    });
    this.map.svg.addEventListener("keydown", (event) => app.source === "drawn" && this.key(event));
    this.map.svg.setAttribute("aria-describedby", "pg-draw-keys");
  }

  // The arrows move a cross over the plane; 0 and 1 draw a point of their class there.
  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const move = moves[event.key];
    if (!move && event.key !== "0" && event.key !== "1") return;
    event.preventDefault();
    const reach = this.map.reach;
    if (move) this.cursor = this.cursor.map((x, i) => Math.min(Math.max(x + move[i] * reach / 20, -reach), reach));
    else this.app.drawPoint(...this.cursor, Number(event.key));
    this.map.showCursor(this.cursor);
  }

  listenToData() {
    const { app, part } = this;
    part("source").addEventListener("change", (event) => app.changeData(event.target.value));
    part("draw").addEventListener("click", () => {
      app.changeData("drawn");
      this.map.svg.focus();
    });
    part("undo").addEventListener("click", () => app.setDrawn(app.drawn.slice(0, -1)));
    part("clear").addEventListener("click", () => app.setDrawn([]));
    const paste = (text) => attempt(part("csv-error"), () => app.paste(parseCsv(text, app.facts.limits)));
    part("paste").addEventListener("click", () => paste(part("csv").value));
    onFile(part("load-points"), paste);
    part("save-points").addEventListener("click", () => saveFile("points.csv", "text/csv", toCsv(app.data)));
  }

  draw() {
    const { app, part } = this;
    for (const [name, input] of Object.entries({ ...this.inputs, noise: this.noise })) {
      if (document.activeElement !== input) input.value = name === "noise" ? app.noise : app.settings[name];
    }
    part("source").value = app.source;
    part("source").querySelector('[value="pasted"]').disabled = app.pasted === null;
    part("noise-label").hidden = !SHAPE_NAMES.includes(app.source);
    part("link-error").textContent = app.problems.join(" ");
    this.drawData();
    this.drawCurves();
  }

  drawData() {
    const { app, part } = this;
    const isDrawn = app.source === "drawn";
    const isReady = !isDrawn || app.data !== app.embedded;
    const drawn = { name: "", classes: ["0", "1"], test: [], train: [] };
    app.drawn.forEach(([x1, x2, label], n) => drawn[n % 4 === 3 ? "test" : "train"].push({ x: [x1, x2], label }));
    this.map.draw({ data: isDrawn ? drawn : app.data, reach: isDrawn ? Math.max(2, app.reach) : app.reach, params: isReady ? app.params : null });
    this.root.classList.toggle("pg-drawing", isDrawn);
    if (isDrawn) this.map.svg.setAttribute("tabindex", "0");
    else this.map.svg.removeAttribute("tabindex");
    const { train, test } = app.data;
    part("counts").textContent = isReady ? `${train.length} training points (filled), ${test.length} test points (hollow).`
      : `${app.drawn.length} points: draw at least 4, of both classes. Until then the points of the page are trained on.`;
    part("undo").disabled = part("clear").disabled = !isDrawn || app.drawn.length === 0;
    part("legend").replaceChildren(...legendOf(isDrawn ? drawn : app.data));
  }

  drawCurves() {
    const { app } = this;
    const score = [...this.scores].find((radio) => radio.checked).value;
    const { epoch } = app.position;
    const series = ["test", "train"].map((split) => ({
      values: column(app.training, `${split}_${score}`, epoch), kind: split === "test" ? "pg-a" : "pg-a pg-dashed", label: split,
    }));
    const range = score === "accuracy" ? { low: 0, high: 1, unit: "%" } : { low: 0, high: highestLoss(series.map((line) => line.values)), unit: "" };
    this.chart.draw({ series, epochs: app.settings.epochs, epoch, ...range });
  }
}

// What the marks of the map mean.
function legendOf({ classes }) {
  const item = (mark, text) => element("li", {}, shape("svg", { viewBox: "-5 -5 10 10", width: 16, height: 16, "aria-hidden": "true" }, mark), text);
  return [
    ...classes.map((name, label) => item(markOf(label, "pg-train"), `class ${name}`)),
    item(markOf(0, "pg-test"), "hollow: test"),
    item(shape("path", { class: "pg-boundary", d: "M-5 0H5" }), classes.length === 2 ? "probability 0.5" : "boundary"),
  ];
}

// Weights to save and to load, and the command that repeats what is on screen.
export class Repeat {
  constructor(root, app) {
    this.app = app;
    this.part = partsOf(root);
    const { part } = this;
    part("save-weights").addEventListener("click", () => saveFile("weights.json", "application/json", weightsToJson(app.params)));
    part("save-initial").addEventListener("click", () => saveFile("weights.json", "application/json", weightsToJson(app.training.weights[0])));
    onFile(part("load-weights"), (text) => attempt(part("weights-error"), () => {
      const { train, classes } = app.data;
      app.setInitial(weightsFromJson(text, train[0].x.length, classes.length, app.facts.limits));
    }));
    part("draw-weights").addEventListener("click", () => {
      app.reset({ initial: null });
      app.changed();
    });
    part("copy").addEventListener("click", async () => {
      await navigator.clipboard?.writeText(app.command);
      part("copied").textContent = navigator.clipboard ? "copied" : "select and copy it by hand";
    });
  }

  draw() {
    const { app, part } = this;
    part("initial").textContent = app.initial ? "Training begins from the loaded weights." : "Training begins from drawn weights.";
    part("draw-weights").disabled = app.initial === null;
    part("command").textContent = app.command;
    part("needs").textContent = this.needs();
    part("copied").textContent = "";
    part("address").textContent = "The address of this page keeps settings and points, not loaded weights."
      + (app.pointsFit ? "" : " Here it cannot hold the points: there are too many. A reload keeps them; send the file to others.");
  }

  // Which files the command needs.
  needs() {
    const { app } = this;
    const files = [app.source === "embedded" ? "" : "points.csv", app.initial && app.initial !== app.facts.initial ? "weights.json" : ""];
    const needed = files.filter(Boolean).join(" and ");
    return needed ? `Save ${needed} with the buttons above first.` : "";
  }
}

// A button for each preset: settings of the report's figures.
export function presetButtons(root, app) {
  root.append(...app.facts.presets.map(({ title, settings }) => element("li", {},
    element("button", { type: "button", onclick: () => app.preset(settings) }, title))));
}

// Keys, wherever in a place no field has the focus.
export function listenToKeys(place, app, bar, steps) {
  const actions = {
    " ": () => app.togglePlay(), ".": () => bar.step(), e: () => app.oneEpoch(), r: () => app.begin(),
    n: () => steps.go(steps.stage + 1), b: () => steps.go(steps.stage - 1),
  };
  place.addEventListener("keydown", (event) => {
    const { target, key } = event;
    const field = target.closest("input, select, textarea, summary, a");
    const pressed = key === " " && target.closest("button");
    if (event.ctrlKey || event.metaKey || event.altKey || field || pressed || !(key in actions)) return;
    event.preventDefault();
    actions[key]();
  });
}
