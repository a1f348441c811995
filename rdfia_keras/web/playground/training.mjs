// A training: the parameters and the scores after each epoch, computed as far as they are asked for.
import { Generator } from "./rng.mjs";
import { PARAMETERS, backward, measure, sgd } from "../shared/perceptron.mjs";

const RIGHT_MATHS = { measure, epoch: null };

// As in Python: chance gives a loss of a few nats; a thousand times that comes of steps that only overshoot.
const DIVERGED_LOSS = 1000;

// The order of the training examples in an epoch.
const epochOrder = (seed, epoch, count) => new Generator([seed, epoch]).permutation(count);

// Weights drawn from N(0, std ** 2), biases zero.
function initParams(n_x, n_h, n_y, std, seed) {
  const rng = new Generator([seed]);
  const W_h = rng.normalMatrix(std, n_h, n_x);
  const W_y = rng.normalMatrix(std, n_y, n_h);
  return { W_h, b_h: new Array(n_h).fill(0), W_y, b_y: new Array(n_y).fill(0) };
}

export class Training {
  // settings: {lr, batch_size, hidden_units, init_std, seed, epochs}; data: {train, test} of {x, y} with one-hot y;
  // initial: parameters to begin from, drawn where there are none; maths: with a mistake, see mistakes.mjs.
  constructor(settings, data, initial = null, maths = RIGHT_MATHS) {
    this.maths = maths;
    this.settings = settings;
    this.data = data;
    const { hidden_units, init_std, seed } = settings;
    const { x, y } = data.train[0];
    this.weights = [initial ?? initParams(x.length, hidden_units, y.length, init_std, seed)];
    this.scores = [this.measure(this.weights[0])];
    this.diverged = false;
    this.batchSize = Math.min(settings.batch_size, data.train.length);
    this.steps = Math.ceil(data.train.length / this.batchSize);
    this.orders = new Map();
    this.partial = { epoch: 0, weights: [this.weights[0]] };
  }

  measure(params) {
    const train = this.maths.measure(params, this.data.train);
    const test = this.maths.measure(params, this.data.test);
    return { train_loss: train.loss, train_accuracy: train.accuracy, test_loss: test.loss, test_accuracy: test.accuracy };
  }

  // How many epochs are computed.
  get done() {
    return this.weights.length - 1;
  }

  get finished() {
    return this.diverged || this.done >= this.settings.epochs;
  }

  // Numbers of the training examples in a batch.
  batch(epoch, step) {
    return this.order(epoch).slice(step * this.batchSize, (step + 1) * this.batchSize);
  }

  order(epoch) {
    if (!this.orders.has(epoch)) this.orders.set(epoch, epochOrder(this.settings.seed, epoch, this.data.train.length));
    return this.orders.get(epoch);
  }

  // The parameters after some steps of an epoch.
  at(epoch, step = 0) {
    this.extendTo(epoch);
    if (step === 0) return this.weights[epoch];
    if (this.partial.epoch !== epoch) this.partial = { epoch, weights: [this.weights[epoch]] };
    const known = this.partial.weights;
    while (known.length <= step) known.push(this.take(known.at(-1), epoch, known.length - 1));
    return known[step];
  }

  take(params, epoch, step) {
    const batch = this.batch(epoch, step).map((n) => this.data.train[n]);
    return sgd(params, backward(params, batch), this.settings.lr);
  }

  // Train until `epoch` epochs are done, or the loss is out of bounds.
  extendTo(epoch) {
    while (this.done < Math.min(epoch, this.settings.epochs) && !this.diverged) this.extend();
    return this;
  }

  // The parameters an epoch after the last one.
  epoch(begun) {
    const { lr } = this.settings;
    if (this.maths.epoch) return this.maths.epoch(begun, this.data.train, this.order(this.done), this.batchSize, lr);
    let params = begun;
    for (let step = 0; step < this.steps; step++) params = this.take(params, this.done, step);
    return params;
  }

  extend() {
    const params = this.epoch(this.weights.at(-1));
    const scores = this.measure(params);
    this.orders.delete(this.done);
    if (!(scores.train_loss < DIVERGED_LOSS)) {
      this.diverged = true;
      return;
    }
    this.weights.push(params);
    this.scores.push(scores);
  }
}

// The parameters one rounding away; zeros stay zeros.
export function nudged(params) {
  const nudge = (value) => (Array.isArray(value) ? value.map(nudge) : value * (1 + 2 ** -52));
  return Object.fromEntries(PARAMETERS.map((name) => [name, nudge(params[name])]));
}

// The largest gap between the curves of two trainings. Where they begin one rounding apart and it is much more than
// rounding, no other program gives the same curve.
export function largestGap(training, other) {
  let largest = training.done === other.done ? 0 : Infinity;
  for (let epoch = 0; epoch <= Math.min(training.done, other.done); epoch++) {
    for (const [name, value] of Object.entries(training.scores[epoch])) {
      largest = Math.max(largest, Math.abs(value - other.scores[epoch][name]));
    }
  }
  return largest;
}
