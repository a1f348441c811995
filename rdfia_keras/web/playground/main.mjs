// Brings the page to life: one App for each element of class "playground".
import { App } from "./app.mjs";
import { Bar, Controls, Repeat, listenToKeys, presetButtons } from "./controls.mjs";
import { ComparePanel, GuessPanel, UnitsPanel } from "./panels.mjs";
import { StepPanel } from "./step.mjs";
import { SwitchesPanel } from "./switches.mjs";

function mountPlayground(root) {
  const isAlone = document.body.classList.contains("pg-page");
  const app = new App(JSON.parse(root.querySelector(".playground-facts").textContent), isAlone);
  const section = (name) => root.querySelector(`[data-section="${name}"]`);
  const steps = new StepPanel(section("step"), app);
  const bar = new Bar(section("bar"), app);
  const panels = [
    steps, new ComparePanel(section("compare"), app), new UnitsPanel(section("units"), app),
    new GuessPanel(section("guess"), app), new SwitchesPanel(section("switches"), app), new Controls(section("controls"), app),
    new Repeat(section("repeat"), app), bar,
  ];
  const draw = () => {
    root.classList.toggle("pg-projector", app.projector);
    projector.setAttribute("aria-pressed", String(app.projector));
    for (const panel of panels) panel.draw();
  };
  const projector = root.querySelector('[data-part="projector"]');
  projector.addEventListener("click", () => {
    app.projector = !app.projector;
    app.changed();
  });
  const theme = root.querySelector('[data-part="theme"]');
  theme.addEventListener("change", () => {
    root.dataset.theme = theme.value;
    draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  presetButtons(root.querySelector('[data-part="presets"]'), app);
  // A click into the playground makes its keys work.
  if (!isAlone) root.tabIndex = -1;
  listenToKeys(isAlone ? document : root, app, bar, steps);
  app.onChange(draw);
  window.addEventListener("hashchange", () => {
    if (!isAlone || location.hash.replace("#", "") === app.address) return;
    app.readAddress();
    app.changed();
  });
  draw();
}

for (const root of document.querySelectorAll(".playground")) mountPlayground(root);
