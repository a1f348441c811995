// The settings of `rdfia mlp`: their rules, the address that keeps them, the command that repeats them, weights as JSON.
import { PARAMETERS } from "../shared/perceptron.mjs";
import { plainNumber } from "./points.mjs";

const whole = (value) => Number.isInteger(value);

// By setting of config.py: what it is called on the command line and on the page, and its rule.
export const SETTINGS = {
  lr: { flag: "lr", label: "eta (learning rate)", rule: (v) => v > 0 && Number.isFinite(v), says: "a number above 0" },
  batch_size: { flag: "batch-size", label: "batch size", rule: (v) => whole(v) && v >= 1, says: "a whole number from 1" },
  hidden_units: { flag: "hidden-units", label: "n_h (hidden units)", rule: (v) => whole(v) && v >= 1, says: "a whole number from 1" },
  init_std: {
    flag: "init-std", label: "standard deviation of the initial weights",
    rule: (v) => v >= 0 && Number.isFinite(v), says: "a number from 0",
  },
  seed: { flag: "seed", label: "seed", rule: (v) => whole(v) && v >= 0 && v < 2 ** 32, says: "a whole number from 0 to 4294967295" },
  epochs: { flag: "epochs", label: "epochs", rule: (v) => whole(v) && v >= 1, says: "a whole number from 1" },
};

// The value of a setting from text. Throws an Error that says what it must be.
export function parseSetting(name, text, limits) {
  const { label, rule, says } = SETTINGS[name];
  const value = plainNumber(String(text).trim());
  const limit = limits[name] ?? Infinity;
  if (!rule(value) || value > limit) {
    throw new Error(`${label} must be ${says}${limit < Infinity ? ` to ${limit} on this page` : ""}.`);
  }
  return value;
}

// Another value of a setting than the one it has, for the network beside.
export function suggestion(settings, name) {
  const usual = { lr: [2, 0.07], batch_size: [1, 50], hidden_units: [2, 10], init_std: [1, 0.3] }[name];
  return usual.find((value) => value !== settings[name]);
}

// An address as it was written: chats escape its marks, once or twice, and add the stop of their sentence.
export function unescapeHash(hash) {
  let text = hash.replace(/^#/, "").replace(/&(?:amp;|#38;|#x26;)+/gi, "&");
  while (/%25[0-9a-f]{2}/i.test(text) || (!text.includes("=") && /%3d/i.test(text))) {
    try {
      text = decodeURIComponent(text);
    } catch {
      break;
    }
  }
  return text.replace(/[\s.,;:!?()[\]{}<>'"*]+$/, "");
}

// The settings of an address, "#lr=2&seed=1"; `problems`: a sentence for each that is left out.
export function parseHash(hash, limits) {
  const found = { problems: [] };
  for (const [key, text] of new URLSearchParams(unescapeHash(hash))) {
    const name = Object.keys(SETTINGS).find((setting) => SETTINGS[setting].flag === key);
    try {
      found[name ?? key] = name ? parseSetting(name, text, limits) : text;
    } catch (error) {
      found.problems.push(`${key}=${text} of the link is left out. ${error.message}`);
    }
  }
  return found;
}

const shellWord = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);

// The command that trains what is on screen. `files`: {data_dir, dataset, init} where they are needed.
export function command(settings, defaults, files) {
  const words = ["rdfia", "mlp"];
  if (files.data_dir) words.push("--data-dir", shellWord(files.data_dir));
  if (files.dataset) words.push("--dataset", shellWord(files.dataset));
  if (files.init) words.push("--init", shellWord(files.init));
  for (const [name, { flag }] of Object.entries(SETTINGS)) {
    if (settings[name] !== defaults[name]) words.push(`--${flag}`, String(settings[name]));
  }
  return words.join(" ");
}

export const weightsToJson = (params) =>
  `{\n${PARAMETERS.map((name) => `  "${name}": ${JSON.stringify(params[name])}`).join(",\n")}\n}\n`;

// Parameters from the JSON that weightsToJson wrote. Throws an Error that says what to correct.
export function weightsFromJson(text, n_x, n_y, limits) {
  let params;
  try {
    params = JSON.parse(text);
  } catch {
    throw new Error("This is no JSON; save the weights again.");
  }
  if (params === null || typeof params !== "object" || Object.keys(params).sort().join() !== [...PARAMETERS].sort().join()) {
    throw new Error(`The file must hold ${PARAMETERS.join(", ")} and nothing else.`);
  }
  const n_h = Array.isArray(params.b_h) ? params.b_h.length : 0;
  if (n_h < 1 || n_h > limits.hidden_units) throw new Error(`b_h must have 1 to ${limits.hidden_units} numbers.`);
  const isVector = (list, size) => Array.isArray(list) && list.length === size && list.every(Number.isFinite);
  const isMatrix = (list, rows, size) => Array.isArray(list) && list.length === rows && list.every((row) => isVector(row, size));
  const fits = {
    W_h: isMatrix(params.W_h, n_h, n_x), b_h: isVector(params.b_h, n_h),
    W_y: isMatrix(params.W_y, n_y, n_h), b_y: isVector(params.b_y, n_y),
  };
  const shapes = { W_h: [n_h, n_x], b_h: [n_h], W_y: [n_y, n_h], b_y: [n_y] };
  for (const name of PARAMETERS) {
    if (!fits[name]) throw new Error(`${name} must hold finite numbers in the shape (${shapes[name].join(", ")}).`);
  }
  return params;
}
