"""Time this package beside the references and print medians, ratios and targets: `make bench`, `make bench-gpu`.

Measures the GPU where there is one, after a check of its installation, else the CPU. Writes benchmarks.json and
benchmarks.png, of a GPU gpu.json and gpu.png, and with --page that page's tables. With --only, the other groups of an
existing file stay, if it is of the same machine and versions. With --match nothing is written.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import measurements, rendering, turns
from benchmarks.device import Card, NoCard, check_installation, find_card
from benchmarks.groups import groups
from benchmarks.matches import Group, Match, compare


def main() -> None:
    """Read the options, measure and write."""
    options = _parse()
    if options.render:
        path = options.out / ("gpu.json" if options.device == "gpu" else "benchmarks.json")
        rendering.write(measurements.read(path), path, options.page)
        return
    card = _card(options.device)
    if options.check:
        return
    every = groups(card)
    unknown = [name for name in options.only if name not in every]
    if unknown:
        raise SystemExit(f"--only {' '.join(unknown)}: the groups of this device are {' '.join(every)}")
    path = options.out / ("gpu.json" if card else "benchmarks.json")
    everything = measurements.read_or_begin(path, measurements.machine(card))
    for name in options.only or [name for name, group in every.items() if not group.on_request]:
        group = _measure(every[name], options.n, options.match)
        if not options.match:
            everything["groups"][name] = group
            # After each group, so that a run that is cut off keeps what it measured.
            measurements.save(path, everything)
    if not options.match:
        rendering.write(everything, path, options.page)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")
    parser.add_argument("--check", action="store_true", help="check a GPU's installation and measure nothing")
    parser.add_argument("--only", nargs="+", default=[], metavar="GROUP", help=_group_names())
    parser.add_argument("-n", type=int, default=5, help="turns (5)")
    parser.add_argument("--match", default="", metavar="TEXT", help="only matches whose name holds this; print only")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"), metavar="FOLDER")
    parser.add_argument("--page", type=Path, help="a Markdown page whose tables are written as well")
    parser.add_argument("--render", action="store_true", help="write picture and page again and measure nothing")
    options = parser.parse_args()
    if options.n < 1:
        parser.error(f"-n must be at least 1, not {options.n}")
    return options


def _group_names() -> str:
    """Return the names of all groups for the help page: of every device, of the CPU alone and of a GPU alone."""
    cpu, gpu = groups(), groups(Card(name="", driver="", memory="", capability=8.0))
    both = [name for name in cpu if name in gpu]
    names = (both, [name for name in cpu if name not in gpu], [name for name in gpu if name not in cpu])
    places = ("on every device", "on the CPU", "on a GPU")
    return "; ".join(f"{place}: {', '.join(of_it)}" for place, of_it in zip(places, names, strict=True))


def _card(device: str) -> Card | None:
    """Return the GPU to be measured, after a check of its installation, or None for the CPU."""
    if device == "cpu":
        return None
    try:
        card = find_card()
    except NoCard as error:
        if device == "gpu":
            raise SystemExit(f"{error}\nNo GPU can be used, so nothing was measured.") from None
        print(f"The CPU is measured: {error}", file=sys.stderr)
        return None
    check_installation(card)
    return card


def _measure(group: Group, n: int, text: str) -> dict[str, Any]:
    """Measure those matches of a group whose names hold a text, print each, and return what is written."""
    print(f"\n{group.name}, {group.unit}", flush=True)
    n = group.turns or n
    values, facts, ratios = {}, {}, []
    for match in group.matches:
        if text in match.name:
            print(f" {match.name}", flush=True)
            values[match.name], facts[match.name] = turns.measure(match, group.unit, n)
            ratios += _show(match, group.unit, values[match.name])
    facts = {name: value for name, value in facts.items() if value}
    date = datetime.now(UTC).date().isoformat()
    return {"date": date, "n": n, "unit": group.unit, "values": values, "facts": facts, "ratios": ratios}


def _show(match: Match, unit: str, values: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Print a match's medians and ratios, and return the ratios."""
    for name, turn in values.items():
        print(f"  {name:36} median {median(turn):10.2f}   min {min(turn):10.2f}   max {max(turn):10.2f}")
    rows = compare(match, unit, values)
    for row in rows:
        print(f"  {rendering.sentence(row, unit)}", flush=True)
    return rows


if __name__ == "__main__":
    main()
