// Brings the report to life: charts, maps, the table of runs, the guess, colours, printing.
import { drawAllCharts, redrawCharts, watchChart } from "./charts.mjs";
import { LadderGuess } from "./guess.mjs";
import { DecisionMaps } from "./maps.mjs";
import { Runs } from "./runs.mjs";

function mountReport(body) {
  const part = (id) => document.getElementById(id);
  const data = JSON.parse(part("report-data").textContent);
  for (const root of body.querySelectorAll("[data-chart]")) watchChart(root, data.charts[root.dataset.chart]);
  const maps = [...body.querySelectorAll(".decision")].map((root) => new DecisionMaps(root, data.maps));
  const runs = new Runs(part("runs"), data);
  const guess = new LadderGuess(part("guess"), part("guess-toggle"), part("guess-hint"), body.querySelector(".answer-of-ladder"), data.ladder);

  const theme = part("theme");
  const setColours = (colours) => {
    body.dataset.theme = colours;
    // The playground has its own colours, and draws itself anew when they change.
    const other = body.querySelector('.playground [data-part="theme"]');
    other.value = colours;
    other.dispatchEvent(new Event("change"));
    guess.draw();
    for (const map of maps) map.draw();
  };
  theme.addEventListener("change", () => {
    setColours(theme.value);
    redrawCharts();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    setColours(theme.value);
    redrawCharts();
  });

  const openRun = () => {
    const [, name] = location.hash.match(/^#run=(.*)$/) ?? [];
    if (name !== undefined) runs.open(decodeURIComponent(name));
  };
  window.addEventListener("hashchange", openRun);
  openRun();

  // On paper: every chart, at the paper's width, dark on white.
  window.addEventListener("beforeprint", () => {
    body.classList.add("printing");
    setColours("light");
    drawAllCharts();
  });
  window.addEventListener("afterprint", () => {
    body.classList.remove("printing");
    setColours(theme.value);
    redrawCharts();
  });
}

mountReport(document.body);
