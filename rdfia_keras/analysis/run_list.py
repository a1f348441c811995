"""The runs below a results folder as a list: filtered, sorted, with the settings that differ among them."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdfia_keras.analysis import tables
from rdfia_keras.analysis.tables import MAX_SETTINGS
from rdfia_keras.config import CONFIGS, dataset_name, parse_field, parse_setting, setting_text, settings
from rdfia_keras.errors import ConfigError, RdfiaError, did_you_mean
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.result import Result
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import RunStore, reference_store

Row = dict[str, Any]
# What a list can be sorted by beside any setting, and whether the highest value comes first.
SORT_KEYS = {
    **{"best": True, "selected": True, "final": True, "epochs": True},
    **{"loss": False, "seconds": False, "parameters": False, "seed": False, "experiment": False, "status": False},
}
# These have columns of their own.
_NOT_SETTINGS = ("seed", "epochs")


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which runs to list; None and nothing for all.

    Attributes:
        settings: As `FIELD=VALUE`; a field that is named several times may have any of its values.
    """

    section: str | None = None
    experiment: str | None = None
    status: str | None = None
    settings: tuple[str, ...] = ()


def read_runs(store: RunStore) -> list[Run]:
    """Return every run of a store, by section and name, `x-2` before `x-10`."""
    return sorted(store.runs(), key=lambda run: _natural(run.name))


def _natural(text: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in a text by value."""
    return [(int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", text)]


def list_runs(
    store: RunStore,
    chosen: Filter,
    sort: str | None = None,
    reverse: bool = False,
    limit: int | None = None,
    as_csv: bool = False,
) -> Result:
    """List the runs of a store.

    Args:
        sort: One of `SORT_KEYS` or a setting; None for the order of the names. Runs without a value come last.
        reverse: The other way round.
        limit: At most so many.
        as_csv: Make CSV as well.

    Raises:
        ConfigError: When there is no such setting, value, sort key or experiment.
        RdfiaError: When there is no such folder.
    """
    wanted, key = parse_filter(chosen), parse_sort_key(sort) if sort else None
    if not store.root.is_dir():
        raise RdfiaError(
            f"there is no folder {store.root}: train something, name another --out, or list the package's own "
            "results with --reference"
        )
    every = read_runs(store)
    _check_experiment(chosen.experiment, every)
    rows = [run.summary() for run in every if wanted(run)]
    if key:
        rows = sort_rows(rows, key, SORT_KEYS.get(key, False) != reverse)
    elif reverse:
        rows.reverse()
    shown = rows[:limit]
    names = differing(shown)
    return Result(
        data={"runs": shown, "differing": names},
        table=tables.runs(shown, names, key),
        lines=_remarks(len(shown), len(every), len(names), store),
        csv=to_csv(shown, names) if as_csv else "",
    )


def _remarks(shown: int, every: int, differing: int, store: RunStore) -> list[str]:
    """How many runs these are, and how to read their settings."""
    where = "the results of this package" if store.root == reference_store().root else store.root
    count = f"{shown} of {every}" if shown < every else str(every)
    lines = ["settings: those that differ among these runs, where they are not the default"]
    return [*lines[: differing > MAX_SETTINGS], f"{count} run{'' if every == 1 else 's'} in {where}"]


def differing(rows: Sequence[Row], without: Sequence[str] = _NOT_SETTINGS) -> list[str]:
    """The settings, but for those in `without`, that are not the same in all runs that have them."""
    names = dict.fromkeys(name for row in rows for name in row["settings"] if name not in without)
    values = {name: {str(row["settings"][name]) for row in rows if name in row["settings"]} for name in names}
    return [name for name in names if len(values[name]) > 1]


def sort_rows(rows: Iterable[Row], key: str, highest_first: bool) -> list[Row]:
    """Rows by a value of theirs or of their settings; those without it last."""

    def value(row: Row) -> Any:
        return row[key] if key in SORT_KEYS else row["settings"].get(key)

    known = [row for row in rows if value(row) not in (None, "")]
    unknown = [row for row in rows if value(row) in (None, "")]
    return sorted(known, key=value, reverse=highest_first) + unknown


def parse_sort_key(text: str) -> str:
    """The key that people mean: one of `SORT_KEYS`, or a setting by any of its names.

    Raises:
        ConfigError: With the closest when there is none.
    """
    if text in SORT_KEYS:
        return text
    for config in CONFIGS.values():
        try:
            return parse_field(config, text)
        except ConfigError:
            continue
    known = [*SORT_KEYS, *(name for config in CONFIGS.values() for name in settings(config))]
    raise ConfigError(f"--sort: there is no metric or setting {text!r}: {did_you_mean(text, known)}", ("sort",))


def parse_filter(chosen: Filter) -> Callable[[Run], bool]:
    """Whether a run is wanted.

    Raises:
        ConfigError: When no section has these settings, or none takes these values.
    """
    wanted = _parse_settings(chosen.settings, (chosen.section,) if chosen.section else tuple(CONFIGS))

    def fits(run: Run) -> bool:
        asked = (chosen.section, run.section), (chosen.experiment, run.experiment), (chosen.status, run.status)
        if any(wish not in (None, value) for wish, value in asked):
            return False
        if not chosen.settings:
            return True
        if run.status == "unreadable" or run.section not in wanted:
            return False
        config = run.config.resolve()
        return all(getattr(config, name) in values for name, values in wanted[run.section].items())

    return fits


def _parse_settings(texts: Sequence[str], sections: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """By section and field, the values that are wanted; without the sections that cannot have them."""
    if len(sections) > 1:
        sections = _sections_with([text.partition("=")[0].strip() for text in texts], sections)
    wanted, errors = {}, []
    for section in sections:
        try:
            wanted[section] = _values([parse_setting(CONFIGS[section], text) for text in texts])
        except ConfigError as error:
            errors.append(error)
    if not wanted:
        raise errors[0]
    return wanted


def _values(pairs: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    """All values of each field."""
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(dataset_name(value) if name == "dataset" else value)
    return values


def _sections_with(names: Sequence[str], sections: Sequence[str]) -> list[str]:
    """The sections that have all of these settings.

    Raises:
        ConfigError: When there is none.
    """
    having = {name: [section for section in sections if _has_setting(section, name)] for name in names}
    for name in names:
        if not having[name]:
            known = dict.fromkeys(field for section in sections for field in settings(CONFIGS[section]))
            raise ConfigError(f"--set: no section has a setting {name!r}: {did_you_mean(name, known)}", (name,))
    found = [section for section in sections if all(section in having[name] for name in names)]
    if not found:
        raise ConfigError(f"--set: no section has all of these settings: {', '.join(names)}", tuple(names))
    return found


def _has_setting(section: str, name: str) -> bool:
    try:
        return bool(parse_field(CONFIGS[section], name))
    except ConfigError:
        return False


def _check_experiment(name: str | None, runs: Iterable[Run]) -> None:
    known = dict.fromkeys([*(run.experiment for run in runs if run.experiment), *REGISTRY])
    if name is not None and name not in known:
        raise ConfigError(
            f"--experiment: there is no experiment {name!r}: {did_you_mean(name, known)}",
            ("experiment",),
        )


def to_csv(rows: Sequence[Row], names: Sequence[str]) -> str:
    """The rows with the settings `names`; accuracies are fractions."""
    plain = [key for key in Run(Path("no-run")).summary() if key != "settings"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*plain, *names])
    for one in rows:
        own = one["settings"]
        values = [setting_text(one[key]) if key == "quick" else one[key] for key in plain]
        writer.writerow([*values, *(setting_text(own[name]) if name in own else None for name in names)])
    return text.getvalue()
