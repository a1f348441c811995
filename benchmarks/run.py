"""Time this package beside the references, in turn (A B C A B C ...), and print medians, ratios and targets.

    make bench
    python -m benchmarks.run [--only GROUP ...] [-n 5] [--match TEXT] [--out results/benchmarks] [--page PAGE.md]

Every contender runs in a process of its own that stays alive and waits between its turns. Writes benchmarks.json and
benchmarks.png and, with --page, that page's tables. With --only, the other groups of an existing benchmarks.json stay,
if it is of the same machine and versions. With --match nothing is written.
"""

import argparse
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import record, tables
from benchmarks.groups import GROUPS
from benchmarks.picture import draw
from benchmarks.registry import Group, Match
from benchmarks.timing import KINDS
from rdfia_keras.runs.files import write_atomic


def measure(group: Group, n: int, text: str = "") -> dict[str, Any]:
    """Measure a group's matches, print each, and return its part of the record."""
    print(f"\n{group.title} ({group.name}), {group.unit}", flush=True)
    n = 1 if group.kind == "memory" else n
    measured = {}
    for match in group.matches:
        if text in match.name:
            measured[match.name] = KINDS[group.kind](group, match, n)
            show(group, match, measured[match.name][0])
    return record.new(n, measured, group)


def show(group: Group, match: Match, values: dict[str, list[float]]) -> None:
    """Print a match's medians and ratios."""
    print(f" {match.name}")
    for name, known in values.items():
        print(f"  {name:36} median {median(known):10.2f}   min {min(known):10.2f}   max {max(known):10.2f}")
    for row in record.ratios(group, match, values):
        print(f"  {tables.sentence(row)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", choices=[*GROUPS], default=[*GROUPS], metavar="GROUP", help=" ".join(GROUPS)
    )
    parser.add_argument("-n", type=int, default=5, help="turns (5)")
    parser.add_argument("--match", default="", metavar="TEXT", help="only matches whose name holds this; print only")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--page", type=Path, help="a Markdown page whose tables are written as well")
    options = parser.parse_args()
    path = options.out / "benchmarks.json"
    known = record.load(path, record.machine())
    begin = time.perf_counter()
    for name in options.only:
        part = measure(GROUPS[name], options.n, options.match)
        if not options.match:
            known["groups"][name] = part
            # After each group, so that a run that is cut off keeps what it measured.
            known["groups"] = {name: known["groups"][name] for name in GROUPS if name in known["groups"]}
            record.save(path, known)
    print(f"\n{(time.perf_counter() - begin) / 60:.1f} minutes")
    if options.match:
        return
    draw(known, options.out / "benchmarks.png")
    if options.page:
        write_atomic(options.page, tables.updated(options.page.read_text(encoding="utf-8"), known).encode())
    print(f"{tables.verdict(known['groups'])}\n\n{options.out}")


if __name__ == "__main__":
    main()
