// What is on screen: settings, data, initial weights, the training and the place in it. Panels draw themselves from here.
import { mathsWith } from "./mistakes.mjs";
import { Training, largestGap, nudged } from "./training.mjs";
import { SHAPE_NAMES, dataset, drawnDataset, madeDataset, parseCsv, plainNumber, pointsFromText, pointsToText, toCsv } from "./points.mjs";
import { SETTINGS, command, parseHash, parseSetting, suggestion } from "./settings.mjs";
import { reachOf } from "../shared/map.mjs";

const MS_PER_FRAME = 25;
const MS_PER_EPOCH = 45;
const MS_TO_ADDRESS = 250;
// Longer addresses are cut by some browsers and most chats.
const LONGEST_POINTS = 8000;
const STORED_POINTS = "rdfia-points";
const USUAL_NOISE = 0.1;
// Two curves of the same training by two programs differ by a few 1e-15 where rounding does not decide.
const ROUNDING_DECIDES = 1e-10;

const mistakeKey = ({ exercise, name }) => `${exercise}.${name}`;

export class App {
  // facts: what Python wrote into the page, see playground_page.py; ownsAddress: whether the address tells what is on
  // screen, which in another page has other things to tell.
  constructor(facts, ownsAddress = true) {
    this.facts = facts;
    this.ownsAddress = ownsAddress;
    this.defaults = facts.settings;
    this.embedded = dataset(facts.data.name, facts.data.classes, facts.data.train, facts.data.test);
    this.drawn = [];
    this.pasted = null;
    this.noise = USUAL_NOISE;
    this.problems = [];
    this.listeners = [];
    this.timer = null;
    this.reset({ settings: { ...facts.settings }, source: "embedded", initial: facts.initial });
    this.removed = new Set();
    this.unit = null;
    this.projector = false;
    this.readAddress();
  }

  onChange(listener) {
    this.listeners.push(listener);
  }

  changed() {
    // Browsers refuse an address that changes at every frame.
    clearTimeout(this.addressTimer);
    this.addressTimer = setTimeout(() => this.writeAddress(), MS_TO_ADDRESS);
    for (const listener of this.listeners) listener();
  }

  get data() {
    if (SHAPE_NAMES.includes(this.source)) return this.made;
    const chosen = { pasted: this.pasted, drawn: drawnDataset(this.drawn) };
    return chosen[this.source] ?? this.embedded;
  }

  // The points of a shape; the same object as long as they are the same.
  get made() {
    const key = [this.source, this.noise, this.settings.seed].join();
    if (this.madeOf?.key !== key) this.madeOf = { key, data: madeDataset(this.source, this.noise, this.settings.seed) };
    return this.madeOf.data;
  }

  // Begin again: other settings, data or initial weights. What is not named stays.
  reset({ settings = this.settings, source = this.source, initial = this.initial } = {}) {
    this.pause();
    Object.assign(this, { settings, source, initial });
    this.training = new Training(settings, this.data, initial);
    this.twin = new Training(settings, this.data, nudged(this.training.weights[0]));
    this.gap = null;
    this.reach = reachOf(this.data);
    this.position = { epoch: 0, step: 0 };
    this.chosen = null;
    this.removed = new Set([...(this.removed ?? [])].filter((j) => j < settings.hidden_units));
    this.guess = new Map();
    this.revealed = false;
    this.makeOther();
    this.makeMistaken();
  }

  // The network with a mistake in one of its functions, if one is switched on.
  makeMistaken() {
    const { exercise, name } = this.mistake ?? {};
    const begun = this.training.weights[0];
    this.mistaken = this.mistake ? new Training(this.settings, this.data, begun, mathsWith(exercise, name)) : null;
  }

  // mistake: one of the facts' `mistakes`, or null.
  setMistake(mistake) {
    this.mistake = mistake;
    this.makeMistaken();
    this.changed();
  }

  // The network beside: the same but for one setting.
  makeOther() {
    if (!this.compare) return;
    if (this.compare.value === this.settings[this.compare.name]) this.compare.value = suggestion(this.settings, this.compare.name);
    const { name, value } = this.compare;
    const settings = { ...this.settings, [name]: value };
    const initial = name === "hidden_units" || name === "init_std" ? null : this.initial;
    this.other = new Training(settings, this.data, initial);
    this.other.extendTo(this.position.epoch);
  }

  set(name, text) {
    const value = parseSetting(name, text, this.facts.limits);
    if (value === this.settings[name]) return;
    this.reset({ settings: { ...this.settings, [name]: value }, initial: name === "hidden_units" ? null : this.initial });
    this.changed();
  }

  setCompare(name, text) {
    const value = parseSetting(name, text, this.facts.limits);
    if (value === this.settings[name]) throw new Error(`A has ${value} already; give B another value.`);
    this.compare = { name, value };
    this.makeOther();
    this.changed();
  }

  preset(settings) {
    this.reset({ settings: { ...this.defaults, ...settings }, source: "embedded", initial: null });
    this.changed();
  }

  // --- the place in the training ---

  get params() {
    return this.training.at(this.position.epoch, this.position.step);
  }

  get otherParams() {
    const { epoch, step } = this.position;
    if (epoch >= this.other.done && this.other.finished) return this.other.at(this.other.done);
    return this.other.at(epoch, Math.floor((step / this.training.steps) * this.other.steps));
  }

  get atEnd() {
    const { epoch, step } = this.position;
    return step === 0 && epoch >= this.training.done && this.training.finished;
  }

  // Numbers of the training examples of the next step; empty at the end.
  get batch() {
    return this.atEnd ? [] : this.training.batch(this.position.epoch, this.position.step);
  }

  // The training example that is followed: the chosen one, or the first of the next step.
  get example() {
    return this.chosen ?? this.batch[0] ?? 0;
  }

  oneStep() {
    if (this.atEnd) return;
    const { epoch, step } = this.position;
    if (step + 1 < this.training.steps) this.position = { epoch, step: step + 1 };
    else this.place(epoch + 1);
    this.changed();
  }

  place(epoch) {
    this.training.extendTo(epoch);
    this.other.extendTo(epoch);
    this.position = { epoch: Math.min(epoch, this.training.done), step: 0 };
  }

  oneEpoch() {
    this.pause();
    this.place(this.position.epoch + 1);
    this.changed();
  }

  begin() {
    this.pause();
    this.place(0);
    this.changed();
  }

  // Go to an epoch, a few at a time where they are slow; `then` is called there.
  goTo(epoch, then = null) {
    this.pause();
    const go = () => {
      const end = performance.now() + MS_PER_FRAME;
      while (this.training.done < epoch && !this.training.finished && performance.now() < end) {
        this.training.extend();
        this.other.extendTo(this.training.done);
      }
      const there = this.training.done >= epoch || this.training.finished;
      this.place(Math.min(epoch, this.training.done));
      this.timer = there ? null : setTimeout(go);
      this.changed();
      if (there) then?.();
    };
    go();
  }

  get playing() {
    return this.timer !== null;
  }

  play() {
    if (this.atEnd) this.place(0);
    const tick = () => {
      this.place(this.position.epoch + 1);
      this.timer = this.atEnd ? null : setTimeout(tick, MS_PER_EPOCH);
      this.changed();
    };
    this.timer = setTimeout(tick);
    this.changed();
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = null;
  }

  togglePlay() {
    if (!this.playing) return this.play();
    this.pause();
    return this.changed();
  }

  // How far two trainings drift apart that begin one rounding apart; computed when the training is over.
  measureGap() {
    if (this.gap !== null || !this.training.finished) return;
    const { training, twin } = this;
    const go = () => {
      if (training !== this.training) return;
      const end = performance.now() + MS_PER_FRAME;
      while (!twin.finished && performance.now() < end) twin.extend();
      if (!twin.finished) return void setTimeout(go);
      this.gap = largestGap(training, twin);
      this.changed();
    };
    this.gap = NaN;
    setTimeout(go);
  }

  get roundingDecides() {
    return this.gap > ROUNDING_DECIDES;
  }

  // --- hidden units ---

  toggleUnit(j) {
    if (!this.removed.delete(j)) this.removed.add(j);
    this.changed();
  }

  stress(j) {
    this.unit = j;
    for (const listener of this.listeners) listener();
  }

  // --- data ---

  drawPoint(x1, x2, label) {
    if (this.drawn.length < this.facts.limits.points) {
      this.setDrawn([...this.drawn, [Math.round(100 * x1) / 100, Math.round(100 * x2) / 100, label]]);
    }
  }

  setDrawn(points) {
    this.drawn = points;
    this.changeData("drawn", null);
  }

  paste(data) {
    this.changeData("pasted", data);
    try {
      sessionStorage.setItem(STORED_POINTS, toCsv(data));
    } catch {
      // Without storage a reload finds what the address holds.
    }
  }

  setNoise(text) {
    const noise = plainNumber(text.trim());
    if (!(noise >= 0 && noise <= 2)) throw new Error("noise must be a number from 0 to 2.");
    this.noise = noise;
    this.changeData(this.source);
  }

  changeData(source, pasted = this.pasted) {
    this.pasted = pasted ?? this.pasted;
    const classes = this.data.classes.length;
    this.source = source;
    const fits = this.initial && this.initial.b_y.length === this.data.classes.length;
    this.reset({ initial: fits && classes === this.data.classes.length ? this.initial : null });
    this.changed();
  }

  setInitial(params) {
    this.reset({ settings: { ...this.settings, hidden_units: params.b_h.length }, initial: params });
    this.changed();
  }

  // --- the address and the command ---

  // Figure 2 beside figure 1.
  get usualCompare() {
    return { name: "lr", value: suggestion(this.settings, "lr") };
  }

  readAddress() {
    const { problems, compare, removed, projector, mistake, epoch, weights, ...rest } = parseHash(this.ownsAddress ? location.hash : "", this.facts.limits);
    this.problems = problems;
    this.settings = { ...this.defaults };
    for (const name of Object.keys(SETTINGS)) this.settings[name] = rest[name] ?? this.settings[name];
    this.readPoints(rest);
    if (weights) problems.push("The training of this link begins from loaded weights, which a link cannot hold: load weights.json again.");
    this.compare = this.usualCompare;
    const [name, value] = (compare ?? "").split(":");
    try {
      if (this.facts.comparable.includes(name)) {
        this.compare = { name, value: parseSetting(name, value, this.facts.limits) };
      }
    } catch (error) {
      problems.push(`compare=${compare} of the link is left out. ${error.message}`);
    }
    this.projector = projector === "1";
    this.mistake = this.facts.mistakes.find((item) => mistakeKey(item) === mistake) ?? null;
    this.removed = new Set((removed ?? "").split(".").filter((text) => /^\d+$/.test(text)).map(Number));
    const fits = this.settings.hidden_units === this.defaults.hidden_units && this.source === "embedded";
    this.reset({ initial: fits ? this.facts.initial : null });
    if (plainNumber(epoch ?? "") > 0) this.goTo(Math.min(Math.round(plainNumber(epoch)), this.settings.epochs));
  }

  // The points of an address; where they are missing or cut short, a sentence that says so.
  readPoints({ source = "embedded", points = "", noise, count }) {
    this.source = source;
    if (plainNumber(noise ?? "") <= 2) this.noise = Math.max(plainNumber(noise), 0);
    if (source === "drawn") this.drawn = pointsFromText(points);
    if (source === "pasted") this.readPasted(points, Number(count));
    if (!["embedded", "drawn", "pasted", ...SHAPE_NAMES].includes(source)) this.source = "embedded";
    if (source === "drawn" && count && this.drawn.length !== Number(count)) {
      this.problems.push(`This link is cut short: it holds ${this.drawn.length} of ${count} points.`);
    }
  }

  readPasted(points, count) {
    const texts = [points];
    try {
      if (points === "") texts.push(sessionStorage.getItem(STORED_POINTS) ?? "");
    } catch {
      // The address may hold them.
    }
    let whole = null;
    for (const text of texts) {
      try {
        const data = parseCsv(text, this.facts.limits);
        if (data.train.length + data.test.length === count) whole = data;
      } catch {
        // Told below.
      }
    }
    this.pasted = whole ?? this.pasted;
    if (!whole) {
      this.source = "embedded";
      this.problems.push(`This link was made with ${count || "pasted"} points ${points ? "and is cut short" : "and cannot hold so many"}: open their file again. `
        + `Until then the page trains on ${this.embedded.name}.`);
    }
  }

  writeAddress() {
    if (!this.ownsAddress) return;
    const words = new URLSearchParams();
    for (const [name, { flag }] of Object.entries(SETTINGS)) {
      if (this.settings[name] !== this.defaults[name]) words.set(flag, this.settings[name]);
    }
    const { name, value } = this.compare;
    if (name !== this.usualCompare.name || value !== this.usualCompare.value) words.set("compare", `${name}:${value}`);
    if (this.removed.size) words.set("removed", [...this.removed].sort((a, b) => a - b).join("."));
    if (this.position.epoch > 0) words.set("epoch", this.position.epoch);
    if (this.mistake) words.set("mistake", mistakeKey(this.mistake));
    if (this.projector) words.set("projector", "1");
    if (this.initial && this.initial !== this.facts.initial) words.set("weights", "loaded");
    this.writePoints(words);
    const text = String(words);
    if (text === this.address) return;
    this.address = text;
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  }

  // The points come last: where a link is cut, `count` tells it.
  writePoints(words) {
    if (this.source !== "embedded") words.set("source", this.source);
    if (SHAPE_NAMES.includes(this.source)) words.set("noise", this.noise);
    if (this.pointsText === "") return;
    const { train, test } = this.data;
    words.set("count", this.source === "drawn" ? this.drawn.length : train.length + test.length);
    if (this.pointsFit) words.set("points", this.pointsText);
  }

  // The drawn or pasted points as the address holds them.
  get pointsText() {
    return { drawn: () => pointsToText(this.drawn), pasted: () => toCsv(this.pasted) }[this.source]?.() ?? "";
  }

  get pointsFit() {
    return this.pointsText.length <= LONGEST_POINTS;
  }

  get command() {
    const { data_dir, dataset: file, init } = this.facts.command;
    const own = this.source === "embedded";
    const files = {
      data_dir: own ? data_dir : null,
      dataset: own ? file : "points.csv",
      init: this.initial === null ? null : this.initial === this.facts.initial ? init : "weights.json",
    };
    return command(this.settings, this.facts.python_defaults, files);
  }
}
