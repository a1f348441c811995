// The page's readers and writers of text, for tests/test_playground.py: reads {csv, weights, settings} from stdin.
import { readFileSync } from "node:fs";
import { parseCsv, toCsv } from "../../rdfia_keras/web/playground/points.mjs";
import { command, parseHash, parseSetting, weightsFromJson } from "../../rdfia_keras/web/playground/settings.mjs";

const { csv = [], weights = [], values = [], hashes = [], commands = [], limits } = JSON.parse(readFileSync(0, "utf8"));
const attempt = (action) => {
  try {
    return { value: action() };
  } catch (error) {
    return { error: error.message };
  }
};
process.stdout.write(JSON.stringify({
  csv: csv.map((text) => attempt(() => {
    const data = parseCsv(text, limits);
    return { ...data, text: toCsv(data) };
  })),
  weights: weights.map((text) => attempt(() => weightsFromJson(text, 2, 2, limits))),
  values: values.map(([name, text]) => attempt(() => parseSetting(name, text, limits))),
  hashes: hashes.map((hash) => parseHash(hash, limits)),
  commands: commands.map((one) => command(...one)),
}));
