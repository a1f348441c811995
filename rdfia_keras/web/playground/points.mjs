// Data sets of points: from the page, pasted or from a file, drawn by hand, made from the seed; and back to CSV.
// A data set is {name, classes, train, test}; a split is a list of {x, y, label} with one-hot y.
import { Generator } from "./rng.mjs";

const COLUMNS = ["x1", "x2", "class", "split"];
const LARGEST = 1e6;
const POINTS_PER_CLASS = 100;

// From rows [x1, x2, class number] of each split.
export function dataset(name, classes, train, test) {
  const split = (rows) => rows.map(([x1, x2, label]) => ({
    x: [x1, x2], y: classes.map((_, i) => (i === label ? 1 : 0)), label,
  }));
  return { name, classes, train: split(train), test: split(test) };
}

const isTest = (_, n) => n % 4 === 3;

// Points drawn one after the other, [x1, x2, class number]: every fourth is a test point.
export function drawnDataset(points) {
  const test = points.filter(isTest);
  const train = points.filter((...point) => !isTest(...point));
  if (test.length === 0 || new Set(points.map(([, , label]) => label)).size < 2) return null;
  return dataset("drawn points", ["0", "1"], train, test);
}

// A point of a class without noise; t is drawn from [0, 1).
const SHAPES = {
  xor: (t, label, rng) => {
    const [x1, x2] = [0.1 + 1.4 * t, 0.1 + 1.4 * rng.random()];
    const side = rng.random() < 0.5 ? 1 : -1;
    return [side * x1, label === 1 ? side * x2 : -side * x2];
  },
  spiral: (t, label) => {
    const angle = 1.75 * 2 * Math.PI * t + label * Math.PI;
    return [1.6 * t * Math.sin(angle), 1.6 * t * Math.cos(angle)];
  },
  moons: (t, label) => (label === 0 ? [Math.cos(Math.PI * t) - 0.5, Math.sin(Math.PI * t) - 0.25]
    : [0.5 - Math.cos(Math.PI * t), 0.25 - Math.sin(Math.PI * t)]),
};
export const SHAPE_NAMES = Object.keys(SHAPES);

// A made data set: 100 points of each class to train on and 100 to test on, with Gaussian noise; a function of the seed.
export function madeDataset(name, noise, seed) {
  const rng = new Generator([seed, 2 ** 32 - 1]);
  const rows = () => Array.from({ length: 2 * POINTS_PER_CLASS }, (_, n) => {
    const place = SHAPES[name](rng.random(), n % 2, rng);
    return [...place.map((x) => x + noise * rng.standardNormal()), n % 2];
  });
  return dataset(name, ["0", "1"], rows(), rows());
}

// Points as "x1.x2.class_...", in hundredths.
export const pointsToText = (points) =>
  points.map(([x1, x2, label]) => [Math.round(100 * x1), Math.round(100 * x2), label].join(".")).join("_");

export function pointsFromText(text) {
  const points = text.split("_").map((point) => point.split(".").map(Number)).map(([a, b, c]) => [a / 100, b / 100, c]);
  return points.filter(([a, b, c]) => Math.abs(a) <= LARGEST && Math.abs(b) <= LARGEST && (c === 0 || c === 1));
}

// A number in plain decimals, NaN if the text is none: as in Python, but without its "1_0" and other scripts' digits.
export const plainNumber = (text) => (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN);

// The rows of a text: {cells, line} of every line that is not blank. The separator is the first of these that the first
// line has; several blanks count as one.
function readRows(text) {
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/);
  const first = (lines.find((line) => line.trim() !== "") ?? "").trim();
  const separator = ["\t", ";", ",", " "].find((mark) => first.includes(mark)) ?? ",";
  const cells = (line, number) => cellsOf(separator === " " ? line.trim().split(/\s+/).join(" ") : line, separator, number);
  const rows = lines.map((line, n) => ({ cells: line.trim() === "" ? [] : cells(line, n + 1), line: n + 1 }));
  // Where the separator is no comma, a comma is a decimal mark.
  const number = (word) => plainNumber(separator === "," ? word : word.replaceAll(",", "."));
  return { rows: rows.filter(({ cells }) => cells.some((cell) => cell !== "")), number };
}

// The cells of a line; a cell may be quoted, and a quote in it doubled.
function cellsOf(line, separator, number) {
  const cells = [];
  let rest = line;
  for (;;) {
    const quoted = rest.match(/^ *"((?:[^"]|"")*)"(?!")/);
    const length = quoted ? quoted[0].length : 0;
    const end = rest.indexOf(separator, length) < 0 ? rest.length : rest.indexOf(separator, length);
    if (/^ *"/.test(rest) && (!quoted || end > length)) throw new Error(`Line ${number}: a quotation mark is not closed, or text follows it.`);
    cells.push((quoted ? quoted[1].replaceAll('""', '"') : rest.slice(0, end)).trim());
    if (end === rest.length) return cells;
    rest = rest.slice(end + 1);
  }
}

// The names of the columns and the rows of points: the first line may be a header, or a point.
function withColumns(rows, number) {
  const names = (rows[0]?.cells ?? []).map((cell) => cell.toLowerCase());
  const isHeader = COLUMNS.slice(0, 3).every((name) => names.includes(name)) && new Set(names).size === names.length
    && names.every((name) => COLUMNS.includes(name));
  if (isHeader) return { columns: names, points: rows.slice(1) };
  const columns = COLUMNS.slice(0, names.length);
  if (columns.length < 3 || names.length > 4 || names.slice(0, 2).some((name) => Number.isNaN(number(name)))) {
    throw new Error(`The first line must be ${COLUMNS.join(",")}, or a point in this order.`);
  }
  return { columns, points: rows };
}

// Reads points as `rdfia mlp --dataset FILE.csv` does. Throws an Error that says what to correct.
export function parseCsv(text, limits) {
  const { rows: read, number } = readRows(text);
  const { columns, points } = withColumns(read, number);
  const counts = Object.create(null);
  const rows = points.map(({ cells, line }) => parseRow(columns, cells, `Line ${line}`, number, counts));
  const classes = [...new Set(rows.map((row) => row.class))].sort();
  // By size if all are numbers.
  if (!classes.some((name) => Number.isNaN(number(name)))) classes.sort((a, b) => number(a) - number(b));
  for (const split of ["train", "test"]) {
    if (!rows.some((row) => row.split === split)) throw new Error(`No row has the split ${split}; add some.`);
  }
  if (classes.length < 2) throw new Error(`There is one class only, ${classes[0]}; two or more are needed.`);
  if (classes.length > limits.classes) throw new Error(`This page shows at most ${limits.classes} classes.`);
  if (rows.length > limits.points) throw new Error(`This page trains on at most ${limits.points} points.`);
  const of = (split) => rows.filter((row) => row.split === split)
    .map((row) => [row.x1, row.x2, classes.indexOf(row.class)]);
  return dataset("pasted points", classes, of("train"), of("test"));
}

// Without a column split every fifth row of a class is a test point. `counts` has the rows of each class so far.
function parseRow(columns, cells, where, number, counts) {
  if (cells.length !== columns.length) {
    throw new Error(`${where} has ${cells.length} columns; ${columns.length} are needed: ${columns.join(",")}.`);
  }
  const row = Object.fromEntries(columns.map((name, i) => [name, cells[i]]));
  for (const name of ["x1", "x2"]) {
    const value = number(row[name]);
    if (!(Math.abs(value) <= LARGEST)) throw new Error(`${where}: ${name} must be a number, not "${row[name]}".`);
    row[name] = value;
  }
  if (row.class === "") throw new Error(`${where}: the class is empty; name it.`);
  counts[row.class] = (counts[row.class] ?? 0) + 1;
  row.split ??= counts[row.class] % 5 === 0 ? "test" : "train";
  if (!["train", "test"].includes(row.split)) throw new Error(`${where}: split must be train or test.`);
  return row;
}

const quoted = (name) => (/[",;\t]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);

export function toCsv({ classes, train, test }) {
  const rows = (split, name) => split.map(({ x, label }) => [x[0], x[1], quoted(classes[label]), name].join());
  return [COLUMNS.join(), ...rows(train, "train"), ...rows(test, "test")].join("\n") + "\n";
}
