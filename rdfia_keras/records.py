"""A run's folder: made atomically, never mixed with another run's, every file whole or absent."""

import csv
import io
import json
import math
import os
import platform
import shutil
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from rdfia_keras.errors import RdfiaError

try:
    import fcntl
except ImportError:  # Windows: two runs still get two folders, only the check for a live one is missing.
    fcntl = None

SCHEMA = 1
HISTORY_COLUMNS = ("epoch", "lr", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds")
PACKAGES = ("rdfia-keras", "tensorflow", "keras", "jax", "numpy", "scikit-learn", "scipy", "matplotlib")


def write_atomic(path: Path, data: bytes, keep: Path | None = None) -> None:
    """Write `data` beside `path`, flush it to the disk, read it back, and only then put it in place.

    Whatever goes wrong, and whenever the process dies, `path` holds either its old content or all of the new one.

    Args:
        path: The file to write; its folder exists.
        data: The whole content.
        keep: Where the old content of `path` goes instead of being replaced, if it is wanted as a fallback.

    Raises:
        RdfiaError: When the disk is full, the folder read-only, or the content does not read back as written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if part.read_bytes() != data:
            raise OSError("the file does not read back as it was written")
        if keep is not None and path.exists():
            path.replace(keep)
        part.replace(path)
    except OSError as error:
        raise RdfiaError(
            f"cannot write {path}: {error.strerror or error}; what was there before is intact, "
            "so make room or choose another folder with --out"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def to_json(value: object) -> str:
    """JSON text, with NaN and infinities as null: other languages' parsers refuse them."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def make_folder(folder: Path) -> Path:
    """The folder, made if need be.

    Raises:
        RdfiaError: When it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RdfiaError(f"cannot make the folder {folder}: {error.strerror}; choose another --out") from error
    if not os.access(folder, os.W_OK):
        raise RdfiaError(f"cannot write into {folder}; choose another --out")
    return folder


def history_bytes(rows: list[dict], columns: tuple[str, ...] = HISTORY_COLUMNS) -> bytes:
    """`history.csv`: one row an epoch. Floats are written in full, so that equal runs give equal files."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def environment() -> dict:
    """Versions and machine: what one needs to understand a number later."""
    versions = {}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "python": platform.python_version(),
        "versions": versions,
        "platform": platform.platform(terse=True),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
    }


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


class Run:
    """One run's folder, `out/section/name`; locked against a second writer for as long as this object lives."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock = None

    @classmethod
    def create(cls, out: Path, section: str, name: str, config: dict, overwrite: bool = False) -> "Run":
        """Make a new folder, `name` or else `name-2`, `name-3`, ..., and write `config.json` into it.

        Args:
            out: The results folder; made when absent.
            section: `mlp`, `svm` or `cnn`.
            name: The experiment's name.
            config: Everything that decided the run; argv, versions and machine are added.
            overwrite: Replace the folder `name` when it holds a finished run, instead of numbering a new one.

        Raises:
            RdfiaError: When the folder cannot be made or written, before any training.
        """
        parent = out / section
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise RdfiaError(f"--out {out} is not a folder that can be used: a file is in the way") from error
        except OSError as error:
            raise RdfiaError(f"cannot make the folder {parent}: {error.strerror}; choose another --out") from error
        if overwrite and (parent / name).exists():
            remove_run(parent / name)
        run = cls(_new_folder(parent, name))
        try:
            run._hold()
            run.write_json("config.json", {"argv": sys.argv[1:], **config, **environment()})
        except RdfiaError:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
        return run

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """A run that goes on: its folder, locked, without what a killed process had half written.

        Raises:
            RdfiaError: When it is no run's folder, or another process is writing it.
        """
        run = cls(folder)
        run.config()
        run._hold()
        for part in folder.rglob(".*.part*"):
            part.unlink(missing_ok=True)
        return run

    def config(self) -> dict:
        """What decided this run.

        Raises:
            RdfiaError: When the folder has no readable `config.json`.
        """
        path = self.folder / "config.json"
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
            config["experiment"]["name"]
            return config
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RdfiaError(f"{self.folder} is not a run's folder: {path.name} is missing or damaged") from error

    def update_epochs(self, epochs: int) -> None:
        """Note in `config.json` that a resumed run was made longer."""
        config = self.config()
        if config["experiment"]["epochs"] != epochs:
            config["experiment"]["epochs"] = epochs
            self.write_json("config.json", config)

    def status(self, wanted: int | None = None) -> str:
        """`ok`, `failed`, `interrupted`, or `unfinished`: the process died, or fewer epochs are there than `wanted`.

        Args:
            wanted: A number of epochs; None for the run's own.
        """
        try:
            record = json.loads((self.folder / "metrics.json").read_text(encoding="utf-8"))
            wanted = wanted or self.config()["experiment"].get("epochs", 0)
            done = record["final"]["epoch"] if record["final"] else 0
            return "unfinished" if record["status"] == "ok" and done < wanted else record["status"]
        except (RdfiaError, OSError, ValueError, TypeError, KeyError):
            return "unfinished"

    def is_free(self) -> bool:
        """Whether no process is writing this run."""
        try:
            with (self.folder / ".lock").open("a") as lock:
                if fcntl:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            return False

    def _hold(self) -> None:
        """Take the folder's lock; the system lets go of it when the process ends, however it ends."""
        try:
            self._lock = (self.folder / ".lock").open("a")
            if fcntl:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RdfiaError(f"{self.folder} is being written by another process; wait for it to end") from error
        except OSError as error:
            raise RdfiaError(f"cannot write into {self.folder}: {error.strerror}; choose another --out") from error

    def write(self, name: str, data: bytes) -> None:
        write_atomic(self.folder / name, data)

    def write_json(self, name: str, value: dict) -> None:
        self.write(name, to_json(value).encode())

    def write_history(self, rows: list[dict], columns: tuple[str, ...] = HISTORY_COLUMNS) -> None:
        self.write("history.csv", history_bytes(rows, columns))


def latest_unfinished(out: Path, section: str) -> Path:
    """The folder of the section's run that was begun last of those that can go on.

    A run that failed would fail again, and one that is being written is left alone; both can still be named.

    Raises:
        RdfiaError: When there is none.
    """
    runs = [run for path in (out / section).glob("*/config.json") if _is_of(section, run := Run(path.parent))]
    folders = [run.folder for run in runs if run.status() in ("unfinished", "interrupted") and run.is_free()]
    if not folders:
        raise RdfiaError(f"--resume: no unfinished run in {out / section}; name a run's folder, or see --out")
    return max(folders, key=lambda folder: (folder / "config.json").stat().st_mtime)


def _is_of(section: str, run: Run) -> bool:
    """Whether a run is the section's own: studies lie beside the runs of mlp. A damaged one counts, to be told of."""
    with suppress(RdfiaError):
        return run.config().get("section", section) == section
    return True


def _new_folder(parent: Path, name: str) -> Path:
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1
        except OSError as error:
            raise RdfiaError(f"cannot make the folder {folder}: {error.strerror}; choose another --out") from error


def remove_run(folder: Path) -> None:
    """Delete a run's folder.

    Raises:
        RdfiaError: When it is no run's, or another process is writing it.
    """
    if not any((folder / name).is_file() for name in ("config.json", "metrics.json")):
        raise RdfiaError(
            f"--overwrite: {folder} is not a run's folder (it has neither config.json nor metrics.json); "
            "remove it by hand"
        )
    held = Run(folder)
    held._hold()
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise RdfiaError(f"--overwrite: cannot remove {folder}: {error.strerror}") from error


def best_row(rows: list[dict]) -> dict | None:
    """The first epoch of the highest test accuracy: the number the homework reports."""
    return max(rows, key=lambda row: row["test_accuracy"], default=None)


def milestone(row: dict | None) -> dict | None:
    """What a record keeps of one epoch."""
    return None if row is None else {key: row[key] for key in ("epoch", "test_accuracy", "test_loss")}


def metrics(status: str, section: str, experiment: dict, **rest: object) -> dict:
    """`metrics.json`: what a run came to, beside what was published.

    Args:
        status: `ok`, `interrupted` or `failed`.
        section: `mlp`, `svm` or `cnn`.
        experiment: The declaration's fields, kept as `settings`; name, figure, question and published value come first.
        rest: `quick`, `dataset`, `best`, `final`, `seed`, `precision`, `device`, `seconds`, and what a section adds.
    """
    return {
        "schema": SCHEMA,
        "status": status,
        "section": section,
        "experiment": experiment["name"],
        **{key: experiment.get(key) for key in ("figure", "question", "published")},
        **rest,
        "settings": experiment,
        "environment": environment(),
    }
