// NumPy's random numbers as the page draws them, for tests/test_playground.py.
import { readFileSync } from "node:fs";
import { Generator, seedSequenceState } from "../../rdfia_keras/web/playground/rng.mjs";

const { normals, permutations, states } = JSON.parse(readFileSync(0, "utf8"));
const draws = ([seed, count]) => {
  const rng = new Generator([seed]);
  return Array.from({ length: count }, () => rng.standardNormal());
};
process.stdout.write(JSON.stringify({
  normals: normals.map(draws),
  permutations: permutations.map(([entropy, count]) => new Generator(entropy).permutation(count)),
  states: states.map(([entropy, count]) => seedSequenceState(entropy, count)),
}));
