// The functions of the exercises in mlp.py, on whole batches, and mistakes that `rdfia learn check` names.
//
// Names and arguments are Python's; a batch is a list of rows. The sentences about the mistakes come from Python.
import { PARAMETERS, crossEntropy, dot } from "../shared/perceptron.mjs";

const DELTA = 1e-5;
// Of each parameter, and of the batch: finite differences take two losses an entry.
const MOST_ENTRIES = 50;
const MOST_EXAMPLES = 50;
// Rounding leaves a relative 1e-7 and less; a wrong gradient is off by more.
const AGREES = 1e-5;

const sum = (values) => values.reduce((total, value) => total + value, 0);
const mean = (values) => sum(values) / values.length;
const each = (rows, change) => rows.map((row, n) => row.map((value, i) => change(value, n, i)));
const scaled = (rows, factor) => each(rows, (value) => value * factor);
const columnSums = (rows) => rows[0].map((_, i) => sum(rows.map((row) => row[i])));
const layer = (x, W, b) => x.map((row) => W.map((w, j) => dot(w, row) + b[j]));
const down = (params, change) => Object.fromEntries(Object.entries(params).map(([name, value]) =>
  [name, Array.isArray(value[0]) ? each(value, (w, i, k) => change(w, name, i, k)) : value.map((w, i) => change(w, name, i))]));
const entry = (grads, name, i, k) => (k === undefined ? grads[name][i] : grads[name][i][k]);

const exponentials = (y_tilde) => y_tilde.map((row) => row.map((value) => Math.exp(value - Math.max(...row))));
const softmax = (y_tilde) => exponentials(y_tilde).map((row) => row.map((value) => value / sum(row)));

const passing = ({ activation = Math.tanh, b_h = 1, b_y = 1, linear = false, twice = false } = {}) => (params, x, soft) => {
  const h_tilde = layer(x, params.W_h, params.b_h.map((b) => b * b_h));
  const h = each(h_tilde, activation);
  const y_tilde = layer(linear ? h_tilde : h, params.W_y, params.b_y.map((b) => b * b_y));
  const y_hat = soft(y_tilde);
  return [h_tilde, h, twice ? y_hat : y_tilde, y_hat];
};

const losses = (y_tilde, y) => y_tilde.map((row, n) => crossEntropy(row, y[n]));
const otherLosses = (y_tilde, y) => softmax(y_tilde).map((row, n) => -sum(row.map((p, i) => Math.log(Math.abs(1 - y[n][i] - p)))));

const error = (factor) => (y_hat, y) => each(y_hat, (value, n, i) => factor(value, y[n][i]) / y.length);

// One layer's gradients, of its outputs' gradient and its inputs.
const layerGrads = (onWeights = 1, onBias = 1) => (grad, input) => {
  const W = grad[0].map((_, i) => input[0].map((_, k) => sum(grad.map((row, n) => row[i] * input[n][k]))));
  const share = (power) => (power === 1 ? 1 : 1 / grad.length);
  return [scaled(W, share(onWeights)), columnSums(grad).map((value) => value * share(onBias))];
};

const backThrough = (slope) => (grad, W_y, h) =>
  each(h, (value, n, j) => sum(grad[n].map((g, i) => g * W_y[i][j])) * slope(value));

const stepping = (change) => (params, grads, eta) => down(params, (w, name, i, k) => change(w, entry(grads, name, i, k), eta));

const batches = ({ shuffled = true, sameY = true, fromFirst = false, only = Infinity } = {}) =>
  (params, x, y, order, size, eta, gradients, step) => {
    let now = params;
    for (let start = 0; start < order.length && start < only; start += size) {
      const rows = order.slice(start, start + size);
      const places = rows.map((_, n) => start + n);
      const chosen = shuffled ? rows : places;
      const grads = gradients(fromFirst ? params : now, chosen.map((n) => x[n]), (sameY ? chosen : places).map((n) => y[n]));
      now = step(now, grads, eta);
    }
    return now;
  };

export const RIGHT = {
  softmax,
  forward: passing(),
  cross_entropy: (y_tilde, y) => mean(losses(y_tilde, y)),
  grad_y_tilde: error((p, t) => p - t),
  grads_output: layerGrads(),
  grad_h_tilde: backThrough((h) => 1 - h * h),
  grads_hidden: layerGrads(),
  sgd_step: stepping((w, g, eta) => w - eta * g),
  train_epoch: batches(),
};

// By exercise and by name, as in rdfia_keras/learn/exercises/part_mlp.py.
export const MISTAKES = {
  softmax: {
    "whole-batch": (y_tilde) => {
      const e = exponentials(y_tilde);
      return scaled(e, 1 / sum(e.flat()));
    },
    columns: (y_tilde) => {
      const e = exponentials(y_tilde);
      const sums = columnSums(e);
      return each(e, (value, n, i) => value / sums[i]);
    },
  },
  forward: {
    "no-b_h": passing({ b_h: 0 }),
    "no-b_y": passing({ b_y: 0 }),
    "no-tanh": passing({ linear: true }),
    "softmax-twice": passing({ twice: true }),
    sigmoid: passing({ activation: (value) => 1 / (1 + Math.exp(-value)) }),
    relu: passing({ activation: (value) => Math.max(value, 0) }),
  },
  cross_entropy: {
    sum: (y_tilde, y) => sum(losses(y_tilde, y)),
    "mean-of-classes": (y_tilde, y) => mean(losses(y_tilde, y)) / y[0].length,
    sign: (y_tilde, y) => -mean(losses(y_tilde, y)),
    "two-class-loss": (y_tilde, y) => mean(otherLosses(y_tilde, y)),
    "no-target": (y_tilde, y) => mean(losses(y_tilde, y.map((row) => row.map(() => 0)))),
  },
  grad_y_tilde: {
    "no-mean": (y_hat, y) => each(y_hat, (value, n, i) => value - y[n][i]),
    sign: error((p, t) => t - p),
    "before-softmax": error((p, t) => -t / p),
    "softmax-again": error((p, t) => (p - t) * p * (1 - p)),
    "squared-error": error((p, t) => 2 * (p - t)),
  },
  grads_output: { "mean-again": layerGrads(2, 1), "bias-mean": layerGrads(1, 2) },
  grad_h_tilde: {
    "no-slope": backThrough(() => 1),
    "tanh-twice": backThrough((h) => 1 - Math.tanh(h) ** 2),
    "sigmoid-slope": backThrough((h) => h * (1 - h)),
    "no-square": backThrough((h) => 1 - h),
  },
  grads_hidden: { "mean-again": layerGrads(2, 1), "bias-mean": layerGrads(1, 2) },
  sgd_step: {
    uphill: stepping((w, g, eta) => w + eta * g),
    "no-eta": stepping((w, g) => w - g),
    "only-steps": stepping((w, g, eta) => -eta * g),
    "times-weight": stepping((w, g, eta) => w - eta * g * w),
  },
  train_epoch: {
    "first-weights": batches({ fromFirst: true }),
    "no-order": batches({ shuffled: false }),
    "y-in-place": batches({ sameY: false }),
    "one-step": batches({ only: 1 }),
  },
};

// What a Training computes with when one of the functions has a mistake.
export function mathsWith(exercise, name) {
  const f = { ...RIGHT, [exercise]: MISTAKES[exercise][name] };
  const outputs = (params, x) => f.forward(params, x, f.softmax)[2];
  const gradients = (params, x, y) => {
    const [, h, , y_hat] = f.forward(params, x, f.softmax);
    const grad_y_tilde = f.grad_y_tilde(y_hat, y);
    const [W_y, b_y] = f.grads_output(grad_y_tilde, h);
    const [W_h, b_h] = f.grads_hidden(f.grad_h_tilde(grad_y_tilde, params.W_y, h), x);
    return { W_h, b_h, W_y, b_y };
  };
  return {
    gradients,
    loss: (params, x, y) => f.cross_entropy(outputs(params, x), y),
    probabilities: (params, x) => softmax(outputs(params, [x]))[0],
    measure: (params, split) => {
      const y_tilde = outputs(params, split.map((point) => point.x));
      const right = y_tilde.filter((row, n) => split[n].y[row.indexOf(Math.max(...row))] === 1);
      return { loss: f.cross_entropy(y_tilde, split.map((point) => point.y)), accuracy: right.length / split.length };
    },
    epoch: (params, split, order, size, eta) => f.train_epoch(
      params, split.map((point) => point.x), split.map((point) => point.y), order, size, eta, gradients, f.sgd_step),
  };
}

const numbersBelow = (count) => {
  const shown = Math.min(count, MOST_ENTRIES);
  return Array.from({ length: shown }, (_, n) => Math.floor((n * count) / shown));
};

// How far the gradient is from finite differences of the loss: the largest difference over the largest entry of both.
export function gradientError(maths, params, examples) {
  const batch = examples.slice(0, MOST_EXAMPLES);
  const x = batch.map((point) => point.x);
  const y = batch.map((point) => point.y);
  const grads = maths.gradients(params, x, y);
  let apart = 0;
  let largest = 0;
  for (const name of PARAMETERS) {
    const columns = Array.isArray(params[name][0]) ? params[name][0].length : 0;
    for (const at of numbersBelow(params[name].length * (columns || 1))) {
      const place = columns ? [Math.floor(at / columns), at % columns] : [at, undefined];
      const moved = (delta) => down(params, (w, other, i, k) => (other === name && i === place[0] && k === place[1] ? w + delta : w));
      const numeric = (maths.loss(moved(DELTA), x, y) - maths.loss(moved(-DELTA), x, y)) / (2 * DELTA);
      const exact = entry(grads, name, ...place);
      if (!Number.isFinite(numeric - exact)) return NaN;
      apart = Math.max(apart, Math.abs(numeric - exact));
      largest = Math.max(largest, Math.abs(numeric), Math.abs(exact));
    }
  }
  return largest === 0 ? 0 : apart / largest;
}

export const gradientAgrees = (relative) => relative < AGREES;
