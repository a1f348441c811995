// Data sets of points: from the page, from a pasted CSV, drawn with the mouse; and back to CSV.
// A data set is {name, classes, train, test}; a split is a list of {x, y, label} with one-hot y.
const COLUMNS = ["x1", "x2", "class", "split"];
const LARGEST = 1e6;

// From rows [x1, x2, class number] of each split.
export function dataset(name, classes, train, test) {
  const split = (rows) => rows.map(([x1, x2, label]) => ({
    x: [x1, x2], y: classes.map((_, i) => (i === label ? 1 : 0)), label,
  }));
  return { name, classes, train: split(train), test: split(test) };
}

// Points drawn one after the other, [x1, x2, class number]: every fourth is a test point.
export function drawnDataset(points) {
  const test = points.filter((_, n) => n % 4 === 3);
  const train = points.filter((_, n) => n % 4 !== 3);
  if (test.length === 0 || new Set(points.map(([, , label]) => label)).size < 2) return null;
  return dataset("drawn points", ["0", "1"], train, test);
}

// Points as "x1.x2.class_...", in hundredths.
export const pointsToText = (points) =>
  points.map(([x1, x2, label]) => [Math.round(100 * x1), Math.round(100 * x2), label].join(".")).join("_");

export function pointsFromText(text) {
  const points = text.split("_").map((point) => point.split(".").map(Number)).map(([a, b, c]) => [a / 100, b / 100, c]);
  return points.every(([a, b, c]) => Number.isFinite(a) && Number.isFinite(b) && (c === 0 || c === 1)) ? points : [];
}

const classOrder = (a, b) => {
  const size = (name) => (/^[0-9]+$/.test(name) ? Number(name) : Infinity);
  return size(a) - size(b) || (a < b ? -1 : a > b ? 1 : 0);
};

function words(line) {
  const found = [];
  for (const [, quoted, plain] of line.matchAll(/(?:^|,)(?:\s*"((?:[^"]|"")*)"\s*|([^,]*))/g)) {
    found.push((quoted !== undefined ? quoted.replaceAll('""', '"') : plain).trim());
  }
  return found;
}

// Reads the columns x1, x2, class and split, as `rdfia mlp --dataset FILE.csv` does. Throws an Error that says what to
// correct.
export function parseCsv(text, limits) {
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/);
  const header = words(lines[0] ?? "");
  if ([...header].sort().join() !== [...COLUMNS].sort().join()) {
    throw new Error(`The first line must be ${COLUMNS.join(",")}.`);
  }
  const rows = [];
  lines.slice(1).forEach((line, n) => {
    if (line.trim() !== "") rows.push(parseRow(header, words(line), `Line ${n + 2}`));
  });
  const classes = [...new Set(rows.map((row) => row.class))].sort(classOrder);
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

function parseRow(header, values, where) {
  if (values.length !== COLUMNS.length) {
    throw new Error(`${where} has ${values.length} columns; ${COLUMNS.length} are needed: ${COLUMNS.join(",")}.`);
  }
  const row = Object.fromEntries(header.map((name, i) => [name, values[i]]));
  for (const name of ["x1", "x2"]) {
    const number = row[name] === "" ? NaN : Number(row[name]);
    if (!(Math.abs(number) <= LARGEST)) throw new Error(`${where}: ${name} must be a number, not "${row[name]}".`);
    row[name] = number;
  }
  if (row.class === "") throw new Error(`${where}: the class is empty; name it.`);
  if (!["train", "test"].includes(row.split)) throw new Error(`${where}: split must be train or test.`);
  return row;
}

const quoted = (name) => (/[",]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);

export function toCsv({ classes, train, test }) {
  const rows = (split, name) => split.map(({ x, label }) => [x[0], x[1], quoted(classes[label]), name].join());
  return [COLUMNS.join(), ...rows(train, "train"), ...rows(test, "test")].join("\n") + "\n";
}
