// Brings the report to life: charts, maps, the table of runs, the guess, colours, printing.
import { drawAllCharts, redrawCharts, watchChart } from "./charts.mjs";
import { LadderGuess } from "./guess.mjs";
import { DecisionMaps } from "./maps.mjs";
import { Runs } from "./runs.mjs";

// A name in an address; one that a chat has cut may be no encoding.
function unescaped(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

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

  // On a phone the figures are closed at first: the page would be a hundred screens long.
  const figures = [...body.querySelectorAll(".figure details.folded")];
  if (matchMedia("(max-width: 46rem)").matches) for (const figure of figures) figure.open = false;
  const openTarget = () => {
    const [, name] = location.hash.match(/^#run=(.*)$/) ?? [];
    if (name !== undefined) runs.open(unescaped(name));
    const figure = figures.find((details) => `#${details.parentElement.id}` === location.hash);
    if (figure) figure.open = true;
  };
  window.addEventListener("hashchange", openTarget);
  openTarget();
  guess.show(location.hash === "");

  let folded = [];
  // On paper: every chart, at the paper's width, dark on white.
  window.addEventListener("beforeprint", () => {
    body.classList.add("printing");
    folded = figures.filter((figure) => !figure.open);
    for (const figure of folded) figure.open = true;
    setColours("light");
    drawAllCharts();
  });
  window.addEventListener("afterprint", () => {
    body.classList.remove("printing");
    for (const figure of folded) figure.open = false;
    setColours(theme.value);
    redrawCharts();
  });
}

mountReport(document.body);
