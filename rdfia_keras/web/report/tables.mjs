// A table that is sorted by its headings and filtered by words.
import { element } from "../shared/dom.mjs";

export class SortedTable {
  // columns: [{name, of: row -> value, text: value -> text, numeric}]; rows: any objects; onOpen: called with a row.
  constructor(table, columns, rows, onOpen) {
    this.columns = columns;
    this.sorted = { column: null, up: true };
    this.head = element("tr", {}, ...columns.map((column) => this.heading(column)));
    this.body = element("tbody");
    this.entries = rows.map((row, order) => ({ row, order, ...this.line(row, onOpen) }));
    table.append(element("thead", {}, this.head), this.body);
    this.visible = this.entries;
    this.body.append(...this.entries.map(({ line }) => line));
  }

  heading(column) {
    return element("th", { scope: "col", "aria-sort": "none", class: column.numeric ? "numeric" : "" },
      element("button", { type: "button", onclick: () => this.sort(column) }, column.name));
  }

  line(row, onOpen) {
    const texts = this.columns.map((column) => column.text(column.of(row)));
    const [first, ...rest] = texts;
    const line = element("tr", { onclick: () => onOpen(row) },
      element("th", { scope: "row" }, element("a", { href: `#run=${encodeURIComponent(first)}` }, first)),
      ...rest.map((text, n) => element("td", { class: this.columns[n + 1].numeric ? "numeric" : "words" }, text)));
    return { line, text: texts.join(" ").toLowerCase() };
  }

  // By a column; once more the other way round. What has no value comes last.
  sort(column) {
    const up = this.sorted.column === column ? !this.sorted.up : !column.highestFirst;
    this.sorted = { column, up };
    const value = ({ row }) => column.of(row) ?? null;
    this.entries.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null || x === "" || y === "") return (x === null || x === "") - (y === null || y === "") || a.order - b.order;
      const compared = column.numeric ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
      return (up ? compared : -compared) || a.order - b.order;
    });
    [...this.head.children].forEach((cell, n) => cell.setAttribute("aria-sort", this.columns[n] !== column ? "none" : up ? "ascending" : "descending"));
    this.body.append(...this.entries.map(({ line }) => line));
  }

  // Only rows in which every word occurs and which `fits`; how many these are.
  filter(words, fits) {
    const wanted = words.toLowerCase().split(/[\s,]+/).filter(Boolean);
    this.visible = this.entries.filter((entry) => {
      const is = fits(entry.row) && wanted.every((word) => entry.text.includes(word));
      entry.line.hidden = !is;
      return is;
    });
    return this.visible.length;
  }

  get rows() {
    return this.entries.filter(({ line }) => !line.hidden).map(({ row }) => row);
  }
}

// Quoted where it must be; a text that a spreadsheet would take for a formula is made a text.
export function csvText(lines) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return lines.map((line) => line.map(cell).join(",")).join("\n") + "\n";
}
