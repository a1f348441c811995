"""The list of the runs in a results folder: filtered, sorted, with the settings that differ among them."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rdfia_keras.analysis import tables
from rdfia_keras.analysis.tables import MAX_SETTINGS
from rdfia_keras.config import CONFIGS, dataset_name, parse_field, parse_setting, setting_text, settings
from rdfia_keras.errors import ConfigError, RdfiaError, choose, did_you_mean, in_any_case
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.result import Result
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import REFERENCE_FOLDER, RunStore

Row = dict[str, Any]
# The sort keys beside the settings, and whether the highest value comes first.
SORT_KEYS = {
    **{"best": True, "selected": True, "final": True, "epochs": True},
    **{"loss": False, "seconds": False, "parameters": False, "seed": False, "experiment": False, "status": False},
}
# The fields of `Run.summary` besides the settings.
CSV_COLUMNS = (
    *("run", "section", "seed", "folder", "status", "experiment", "quick", "epochs", "epochs_asked", "best"),
    *("best_epoch", "final", "selected", "selected_epoch", "loss", "seconds", "parameters", "weights_digest"),
    "data_digest",
)
# Settings that have columns of their own.
_OWN_COLUMNS = ("seed", "epochs")


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A choice of runs; None for all. Of `settings`, `FIELD=VALUE`, a repeated field may have any of its values."""

    section: str | None = None
    experiment: str | None = None
    status: str | None = None
    settings: tuple[str, ...] = ()


def read_runs(store: RunStore) -> list[Run]:
    """Return every run of a store, by section and name, `x-2` before `x-10`."""
    return sorted(store.runs(), key=lambda run: _natural(run.name))


def _natural(text: str) -> list[tuple[int, str]]:
    """Return a key that sorts numbers in a text by value."""
    return [(int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", text)]


def list_runs(
    store: RunStore,
    chosen: Filter,
    sort: str | None = None,
    reverse: bool = False,
    limit: int | None = None,
    as_csv: bool = False,
    *,
    trials: bool = False,
    join_seeds: bool = False,
) -> Result:
    """List the runs of a store.

    Args:
        store: The results folder.
        chosen: The filter.
        sort: One of `SORT_KEYS` or a setting; None for the order of the names. Runs without a value come last.
        reverse: Reverse the order.
        limit: The number of runs to show.
        as_csv: Make CSV as well.
        trials: Whether the table has the trials of sweeps too where nothing is filtered; CSV and JSON have them always.
        join_seeds: Whether runs that differ only by their seed share a row of the table, and count once for the limit.

    Raises:
        ConfigError: If there is no such setting, value, sort key or experiment.
        RdfiaError: If there is no such folder.
    """
    key = parse_sort_key(sort) if sort else None
    if not store.root.is_dir():
        raise RdfiaError(
            f"there is no folder {store.root}: train something, name another --out, or list the package's own "
            "results with --reference"
        )
    runs = read_runs(store)
    hidden = set() if trials or chosen != Filter() else {run.name for run in runs if run.is_trial}
    rows = [run.summary() for run in filtered(runs, chosen)]
    if key:
        rows = sort_rows(rows, key, SORT_KEYS.get(key, False) != reverse)
    elif reverse:
        rows.reverse()
    shown = rows[:limit]
    names = differing(shown)
    listed = [row for row in rows if row["run"] not in hidden]
    groups = (by_seeds(listed) if join_seeds else [[row] for row in listed])[:limit]
    in_table = [row for group in groups for row in group]
    table_names = differing(in_table)
    remarks = _remarks(len(in_table), len(runs), len(table_names), store)
    if hidden:
        remarks.append(f"{len(hidden):,} of them are trials of sweeps: --all lists them too")
    if len(groups) < len(in_table):
        remarks.append("rows with several seeds: mean ± standard deviation; --all lists every run")
    return Result(
        data={"runs": shown, "differing": names},
        table=tables.runs(groups, table_names, key),
        lines=remarks,
        csv=to_csv(shown, names) if as_csv else "",
    )


def _remarks(shown: int, total: int, differing: int, store: RunStore) -> list[str]:
    """Return how many runs these are, and how to read their settings."""
    where = "the results of this package" if store.root == REFERENCE_FOLDER else store.root
    count = f"{shown} of {total}" if shown < total else str(total)
    lines = [f"{count} run{'' if total == 1 else 's'} in {where}"]
    if differing > MAX_SETTINGS:
        lines.insert(0, "settings: those that differ among these runs, where they are not the default")
    return lines


def by_seeds(rows: Iterable[Row]) -> list[list[Row]]:
    """Group the runs that are equal but for the seed; of two runs with one seed, the second is in another group."""
    groups: dict[tuple[str, int], list[Row]] = {}
    copies: Counter[tuple[str, Any]] = Counter()
    for row in rows:
        facts = [row[name] for name in ("section", "experiment", "status", "quick", "epochs", "data_digest")]
        key = json.dumps([facts, {**row["settings"], "seed": None}], sort_keys=True)
        copies[key, row["seed"]] += 1
        groups.setdefault((key, copies[key, row["seed"]]), []).append(row)
    return list(groups.values())


def differing(rows: Sequence[Row], without: Sequence[str] = _OWN_COLUMNS) -> list[str]:
    """Return the settings, but for those in `without`, that differ among the runs that have them."""
    names = dict.fromkeys(name for row in rows for name in row["settings"] if name not in without)
    values = {name: {str(row["settings"][name]) for row in rows if name in row["settings"]} for name in names}
    return [name for name in names if len(values[name]) > 1]


def sort_rows(rows: Iterable[Row], key: str, highest_first: bool) -> list[Row]:
    """Sort rows by one of `SORT_KEYS` or by a setting; those without a value come last."""

    def value(row: Row) -> Any:
        return row[key] if key in SORT_KEYS else row["settings"].get(key)

    with_value = [row for row in rows if value(row) not in (None, "")]
    without_value = [row for row in rows if value(row) in (None, "")]
    return sorted(with_value, key=value, reverse=highest_first) + without_value


def parse_sort_key(text: str) -> str:
    """Return the sort key that a text names: one of `SORT_KEYS`, or a setting by any of its names.

    Raises:
        ConfigError: If there is none; the message names the closest.
    """
    if (key := in_any_case(text, SORT_KEYS)) in SORT_KEYS:
        return key
    for config in CONFIGS.values():
        try:
            return parse_field(config, text)
        except ConfigError:
            continue
    names = [*SORT_KEYS, *(name for config in CONFIGS.values() for name in settings(config))]
    raise ConfigError(f"--sort: there is no metric or setting {text!r}: {did_you_mean(text, names)}", ("sort",))


def filtered(runs: Sequence[Run], chosen: Filter) -> list[Run]:
    """Return the runs that match a filter, whose experiment may be in any case.

    Raises:
        ConfigError: If there is no such experiment, no section has these settings, or none takes these values.
    """
    facts = {"section": chosen.section, "status": chosen.status}
    if chosen.experiment is not None:
        names = [*(run.experiment for run in runs if run.experiment), *REGISTRY]
        facts["experiment"] = choose("experiment", chosen.experiment, names)
    wanted = _parse_settings(chosen.settings, chosen.section) if chosen.settings else None
    return [
        run
        for run in runs
        if all(value in (None, getattr(run, name)) for name, value in facts.items())
        and (wanted is None or _has_values(run, wanted))
    ]


def _has_values(run: Run, wanted: Mapping[str, Mapping[str, list[Any]]]) -> bool:
    """Return whether a run's settings are among the accepted values of its section."""
    if run.status == "unreadable" or run.section not in wanted:
        return False
    config = run.config.resolve()
    return all(getattr(config, name) in values for name, values in wanted[run.section].items())


def _parse_settings(texts: Sequence[str], section: str | None) -> dict[str, dict[str, list[Any]]]:
    """Return the accepted values by section and field, without the sections that cannot have them."""
    sections = [section] if section else _sections_with([text.partition("=")[0].strip() for text in texts])
    wanted: dict[str, dict[str, list[Any]]] = {}
    errors = []
    for section in sections:
        values: dict[str, list[Any]] = {}
        try:
            for name, value in (parse_setting(CONFIGS[section], text) for text in texts):
                values.setdefault(name, []).append(dataset_name(value) if name == "dataset" else value)
        except ConfigError as error:
            errors.append(error)
        else:
            wanted[section] = values
    if not wanted:
        raise errors[0]
    return wanted


def _sections_with(names: Sequence[str]) -> list[str]:
    """Return the sections that have all of these settings.

    Raises:
        ConfigError: If there is none.
    """
    sections_of = {name: [section for section in CONFIGS if _has_setting(section, name)] for name in names}
    for name in names:
        if not sections_of[name]:
            fields = dict.fromkeys(field for config in CONFIGS.values() for field in settings(config))
            raise ConfigError(f"--set: no section has a setting {name!r}: {did_you_mean(name, fields)}", (name,))
    common = [section for section in CONFIGS if all(section in sections_of[name] for name in names)]
    if not common:
        raise ConfigError(f"--set: no section has all of these settings: {', '.join(names)}", tuple(names))
    return common


def _has_setting(section: str, name: str) -> bool:
    try:
        return bool(parse_field(CONFIGS[section], name))
    except ConfigError:
        return False


def to_csv(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Return the rows with the settings `names` as CSV; accuracies are fractions."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, *names])
    for row in rows:
        chosen = row["settings"]
        values = [setting_text(row[key]) if key == "quick" else row[key] for key in CSV_COLUMNS]
        writer.writerow([*values, *(setting_text(chosen[name]) if name in chosen else None for name in names)])
    return text.getvalue()
