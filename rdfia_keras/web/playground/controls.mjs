// Controls: the bar that plays, the settings, the data, presets, weights, the command, keys.
import { element, partsOf, percent, saveFile, short } from "../shared/dom.mjs";
import { PlaneMap } from "../shared/map.mjs";
import { parseCsv, toCsv } from "./points.mjs";
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

export class Controls {
  constructor(root, app) {
    this.app = app;
    this.part = partsOf(root);
    this.inputs = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, root.querySelector(`[name="${name}"]`)]));
    for (const [name, input] of Object.entries(this.inputs)) {
      input.addEventListener("change", () => this.try("settings-error", () => app.set(name, input.value)));
    }
    this.listenToData(root);
    this.listenToFiles();
  }

  // Do something, or say in a sentence why not.
  try(where, action) {
    try {
      action();
      this.part(where).textContent = "";
    } catch (error) {
      this.part(where).textContent = error.message;
    }
  }

  listenToData(root) {
    const { app, part } = this;
    this.map = new PlaneMap(part("map"), {
      label: "Click to draw points",
      onPlane: (x1, x2) => app.drawPoint(x1, x2, Number(root.querySelector('[name="pg-class"]:checked').value)),
    });
    part("source").addEventListener("change", (event) => app.changeData(event.target.value));
    part("undo").addEventListener("click", () => app.setDrawn(app.drawn.slice(0, -1)));
    part("clear").addEventListener("click", () => app.setDrawn([]));
    part("paste").addEventListener("click", () => this.try("csv-error", () => app.paste(parseCsv(part("csv").value, app.facts.limits))));
  }

  listenToFiles() {
    const { app, part } = this;
    part("save-points").addEventListener("click", () => saveFile("points.csv", "text/csv", toCsv(app.data)));
    part("save-weights").addEventListener("click", () => saveFile("weights.json", "application/json", weightsToJson(app.params)));
    part("save-initial").addEventListener("click", () => saveFile("weights.json", "application/json", weightsToJson(app.training.weights[0])));
    part("load-weights").addEventListener("change", async (event) => {
      const [file] = event.target.files;
      const text = file ? await file.text() : null;
      event.target.value = "";
      if (text === null) return;
      const { train, classes } = app.data;
      this.try("weights-error", () => app.setInitial(weightsFromJson(text, train[0].x.length, classes.length, app.facts.limits)));
    });
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
    for (const [name, input] of Object.entries(this.inputs)) {
      if (document.activeElement !== input) input.value = app.settings[name];
    }
    const isDrawn = app.source === "drawn";
    part("source").value = app.source;
    part("source").querySelector('[value="pasted"]').disabled = app.pasted === null;
    const drawn = { name: "", classes: ["0", "1"], test: [], train: [] };
    app.drawn.forEach(([x1, x2, label], n) => drawn[n % 4 === 3 ? "test" : "train"].push({ x: [x1, x2], label }));
    this.map.draw({ data: isDrawn ? drawn : app.data, reach: isDrawn ? 2 : app.reach });
    const { train, test } = app.data;
    const ready = !isDrawn || app.data !== app.embedded;
    part("counts").textContent = ready ? `${train.length} training points (filled), ${test.length} test points (hollow).`
      : `${app.drawn.length} points: draw at least 4, of both classes. Until then the points of the page are trained on.`;
    part("undo").disabled = part("clear").disabled = app.drawn.length === 0;
    part("initial").textContent = app.initial ? "Training begins from the loaded weights." : "Training begins from drawn weights.";
    part("draw-weights").disabled = app.initial === null;
    part("command").textContent = app.command;
    part("needs").textContent = this.needs();
    part("copied").textContent = "";
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
