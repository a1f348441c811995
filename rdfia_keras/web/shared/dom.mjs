// Small helpers for the page: elements, numbers as text, files to save.
const SVG = "http://www.w3.org/2000/svg";

const fill = (made, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null));
  return made;
};

export const element = (name, attributes = {}, ...children) =>
  fill(document.createElement(name), attributes, children);

export const shape = (name, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, name), attributes, children);

// A function that finds the part of an element by its name.
export const partsOf = (root) => (name) => root.querySelector(`[data-part="${name}"]`);

// A number with about three digits that matter, and a real minus sign.
export function short(value) {
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.01 ? 3 : 4;
  const plain = Number.isInteger(value) && size < 1e5 ? String(value) : value.toFixed(digits);
  const text = size !== 0 && (size < 0.001 || size >= 1e5) ? value.toExponential(1) : plain;
  return text.replaceAll("-", "−");
}

export const percent = (fraction) => `${(100 * fraction).toFixed(1)} %`;

// A number in a table: short to read, with all its digits when pointed at.
export const numberCell = (value, attributes = {}) =>
  element("td", { title: String(value), "data-value": String(value), ...attributes }, short(value));

export function saveFile(name, type, text) {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
