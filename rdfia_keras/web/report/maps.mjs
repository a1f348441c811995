// Decision maps: computed from the weights of each epoch, which the run keeps.
import { PlaneMap, reachOf } from "../shared/map.mjs";

export class DecisionMaps {
  // root: with places for maps and a slider; kept: by the runs' names, what weights.py reads.
  constructor(root, kept) {
    this.places = [...root.querySelectorAll(".map")].map((place) => {
      const { points } = kept[place.dataset.map];
      const data = { classes: ["0", "1"], train: [], test: points.map(([x1, x2, label]) => ({ x: [x1, x2], label })) };
      return { map: new PlaneMap(place, { label: place.dataset.label }), data, reach: reachOf(data), kept: kept[place.dataset.map] };
    });
    this.slider = root.querySelector("input");
    this.output = root.querySelector("output");
    this.slider.max = Math.max(...this.places.map(({ kept: { epochs } }) => epochs.length)) - 1;
    this.slider.value = this.slider.max;
    this.slider.addEventListener("input", () => this.draw());
    this.draw();
  }

  draw() {
    const at = Number(this.slider.value);
    let epoch = 0;
    for (const { map, data, reach, kept } of this.places) {
      const index = Math.min(at, kept.epochs.length - 1);
      epoch = Math.max(epoch, kept.epochs[index]);
      const params = Object.fromEntries(Object.entries(kept.weights).map(([name, values]) => [name, values[index]]));
      map.draw({ data, reach, params, lines: true });
    }
    this.output.textContent = epoch === 0 ? "0, before training" : String(epoch);
    this.slider.setAttribute("aria-valuetext", `epoch ${epoch}`);
  }
}
