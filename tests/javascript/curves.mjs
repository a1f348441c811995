// Trains as the page does, for tests/test_playground.py: reads {data, settings: [...]} from stdin and writes, for each
// settings, the scores of every epoch, the initial weights, and the gradients of the first step.
import { readFileSync } from "node:fs";
import { backward } from "../../rdfia_keras/web/shared/perceptron.mjs";
import { dataset } from "../../rdfia_keras/web/playground/points.mjs";
import { Training, largestGap, nudged } from "../../rdfia_keras/web/playground/training.mjs";

const { data, settings } = JSON.parse(readFileSync(0, "utf8"));
const points = dataset("circles", data.classes, data.train, data.test);

const results = settings.map(({ initial = null, ...one }) => {
  const training = new Training(one, points, initial).extendTo(one.epochs);
  const twin = new Training(one, points, nudged(training.weights[0])).extendTo(one.epochs);
  return {
    curve: training.scores.slice(1),
    initial: training.weights[0],
    last: training.weights.at(-1),
    gradients: backward(training.weights[0], training.batch(0, 0).map((n) => points.train[n])),
    diverged: training.diverged,
    gap: largestGap(training, twin),
  };
});
process.stdout.write(JSON.stringify(results));
