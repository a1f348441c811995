// The page's mistakes, for tests/test_playground.py: reads [[exercise, name or null, arguments], ...] and writes the
// results; then the trainings of {data, settings, mistakes} and the lamp at the beginning of each.
import { readFileSync } from "node:fs";
import { MISTAKES, RIGHT, gradientAgrees, gradientError, mathsWith } from "../../rdfia_keras/web/playground/mistakes.mjs";
import { dataset } from "../../rdfia_keras/web/playground/points.mjs";
import { Training } from "../../rdfia_keras/web/playground/training.mjs";

const { calls, data, settings, mistakes } = JSON.parse(readFileSync(0, "utf8"));
// Gradients of the squared error of a linear model, as the exercise train_epoch has them.
const linear = ({ W }, x, y) => {
  const error = x.map((row, n) => W.map((w, i) => w.reduce((sum, v, k) => sum + v * row[k], 0) - y[n][i]));
  return { W: W.map((row, i) => row.map((_, k) => (2 / x.length) * error.reduce((sum, e, n) => sum + e[i] * x[n][k], 0))) };
};
const step = (params, grads, eta) => ({ W: params.W.map((row, i) => row.map((w, k) => w - eta * grads.W[i][k])) });
const functions = { softmax: RIGHT.softmax, linear, step };
const points = dataset("circles", data.classes, data.train, data.test);

process.stdout.write(JSON.stringify({
  names: Object.entries(MISTAKES).flatMap(([exercise, all]) => Object.keys(all).map((name) => [exercise, name])),
  results: calls.map(([exercise, name, given]) =>
    (name === null ? RIGHT : MISTAKES[exercise])[name ?? exercise](...given.map((one) => functions[one] ?? one))),
  trainings: mistakes.map(([exercise, name]) => {
    const maths = mathsWith(exercise, name);
    const training = new Training(settings, points, null, maths).extendTo(settings.epochs);
    const relative = gradientError(maths, training.weights[0], training.batch(0, 0).map((n) => points.train[n]));
    return { curve: training.scores, last: training.weights.at(-1), agrees: gradientAgrees(relative), relative };
  }),
}));
