"""A sweep on a Ray cluster: a task for each trial, which Ray starts again elsewhere when its worker or node dies.

Only this module imports Ray, which is an extra. A worker writes into the sweep's results folder where it sees it, so
that a trial resumes; elsewhere into a folder of its own. Either way the record comes back to the driver, the process of
the sweep, through Ray.
"""

import functools
import getpass
import hashlib
import logging
import os
import re
import shutil
import socket
import sys
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import rdfia_keras
from rdfia_keras.analysis.tables import percent
from rdfia_keras.config import RunOptions
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.runs.claims import DRIVER, WORKER, claimed
from rdfia_keras.runs.claims import FOLDER as CLAIMS
from rdfia_keras.runs.files import make_folder, write_atomic
from rdfia_keras.runs.records import read_record
from rdfia_keras.runs.run import Run, new_folder
from rdfia_keras.sections.get_or_train import loader
from rdfia_keras.sections.sweep import Ended, Trial, store_of, train_trial
from rdfia_keras.system.signals import StopRequest
from rdfia_keras.system.terminal import epoch_listeners, note

# Of a run in a shared results folder, what comes back all the same: the driver may not see new files at once.
RECORD_FILES = ("config.json", "history.csv", "metrics.json")
# What Ray keeps results in on this machine: they are small.
OBJECT_STORE_BYTES = 100 * 2**20
SECONDS_BETWEEN_LOOKS = 0.5
# For trials to end after their batch and to write their records once they are cancelled.
SECONDS_TO_STOP = 60.0
SECONDS_TO_CONNECT = 5.0
# Each trial that is handed to Ray holds an open file.
MOST_AT_ONCE = 500


@dataclass(frozen=True)
class Cluster:
    """Where trials are trained, and what each takes of a node.

    Attributes:
        address: Of a running cluster; None starts Ray on this machine for as long as the sweep takes.
        num_cpus: Cores of a trial, and its threads.
        num_gpus: GPUs of a trial: 0, 1, or a fraction.
    """

    address: str | None = None
    num_cpus: int = 1
    num_gpus: float = 0.0

    def room(self, nodes: Collection[Mapping[str, Any]]) -> int:
        """How many trials are trained side by side on nodes as `ray.nodes` describes them."""
        alive = [node["Resources"] for node in nodes if node["Alive"]]
        return sum(
            int(min(node.get(kind, 0) / needed for kind, needed in self._needs().items() if needed)) for node in alive
        )

    def _needs(self) -> dict[str, float]:
        return {"CPU": self.num_cpus, "GPU": self.num_gpus}

    def describe(self) -> str:
        """What a trial takes, in words."""
        gpus = f" and {self.num_gpus:g} GPU" if self.num_gpus else ""
        return f"{self.num_cpus} core{'s' if self.num_cpus > 1 else ''}{gpus}"


def check(options: RunOptions, cluster: Cluster) -> None:
    """Refuse what cannot be, before anything starts.

    Raises:
        ConfigError: When the device and the number of GPUs contradict each other, or the address is none.
        RdfiaError: When Ray is not installed.
    """
    if cluster.address not in (None, "auto") and not re.fullmatch(r".+:\d+", str(cluster.address)):
        raise ConfigError(f"--address must be HOST:PORT, or auto, not {cluster.address!r}")
    if options.device == "gpu" and not cluster.num_gpus:
        raise ConfigError("--device gpu needs --num-gpus, such as --num-gpus 1")
    if options.device == "cpu" and cluster.num_gpus:
        raise ConfigError("--num-gpus and --device cpu exclude each other: leave one out")
    import_ray()


def placed(options: RunOptions, cluster: Cluster) -> RunOptions:
    """Options for the workers: whole paths, and a CPU where a trial takes no GPU."""
    return replace(
        options,
        out=options.out.resolve(),
        data_dir=options.data_dir and options.data_dir.resolve(),
        device=options.device if cluster.num_gpus else "cpu",
    )


def import_ray() -> Any:
    """Ray, which sends no usage statistics.

    Raises:
        RdfiaError: When it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError as error:
        raise RdfiaError("Ray is not installed: run pip install 'rdfia-keras[cluster]'") from error
    return ray


# --- in a worker ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """What a worker needs to know of the sweep.

    Attributes:
        options: As `placed` gives them.
        marker: A file of the results folder: who sees it shares the folder.
        scratch: The folder that other nodes write into, within that for temporary files.
        threads: Of each trial.
        argv: The command, for the records.
        version: Of this package.
    """

    options: RunOptions
    marker: str
    scratch: str
    threads: int
    argv: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class Returned:
    """What a worker gives back.

    Attributes:
        folder: Of the run, within the results folder; None when it was cut short.
        exit_code: As `Ended` has it.
        is_shared: Whether the run lies in the driver's results folder already.
        files: Of the run, by their path within its folder: the record, or everything where the folder is not shared.
    """

    folder: str | None
    exit_code: int
    is_shared: bool
    files: Mapping[str, bytes]


def work(number: int, trial: Trial, job: Job, board: Any) -> Returned:
    """Find, resume or train one trial, in a worker process of any node.

    Args:
        number: Of the trial on the board.
        board: A `Board` that Ray holds.

    Raises:
        RdfiaError: With trial and node.
    """
    node = socket.gethostname()
    board.started.remote(number, node)
    _set_up_process(job)
    is_shared = (job.options.out / job.marker).exists()
    options = job.options if is_shared else replace(job.options, out=Path(tempfile.gettempdir()) / job.scratch)
    try:
        if job.version != rdfia_keras.__version__:
            raise RdfiaError(
                f"rdfia-keras is {rdfia_keras.__version__} there and {job.version} here; install one version everywhere"
            )
        with _telling(lambda done, epochs, row: board.epoch.remote(number, done, epochs, row["test_accuracy"])):
            ended = train_trial(trial, options, _loader(options), roles=(WORKER,))
    except RdfiaError as error:
        raise RdfiaError(f"{trial.name}, on the node {node}: {error}") from None
    if ended.run is None:
        return Returned(None, ended.exit_code, is_shared, {})
    folder = ended.run.folder
    returned = Returned(
        str(folder.relative_to(options.out)), ended.exit_code, is_shared, files_of(folder, only_record=is_shared)
    )
    if not is_shared:
        shutil.rmtree(folder, ignore_errors=True)
    return returned


# The data of a sweep are read once in a process that serves several trials.
_loader = functools.cache(loader)


def _set_up_process(job: Job) -> None:
    """What TensorFlow reads when it is imported. Ray itself sets OMP_NUM_THREADS."""
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = str(job.threads)
    sys.argv = list(job.argv)


@contextmanager
def _telling(listener: Any) -> Iterator[None]:
    """While active, `listener` is told of each epoch."""
    epoch_listeners.append(listener)
    try:
        yield
    finally:
        epoch_listeners.remove(listener)


def files_of(folder: Path, only_record: bool) -> dict[str, bytes]:
    """The content of a run's folder, by path."""
    paths = [folder / name for name in RECORD_FILES] if only_record else sorted(folder.rglob("*"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.is_file()}


class Board:
    """Where workers write how far they are, and the driver looks; Ray holds it in a process of its own."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {}

    def started(self, number: int, node: str) -> None:
        attempt = self.rows.get(number, {"attempt": 0})["attempt"] + 1
        self.rows[number] = {"node": node, "attempt": attempt}

    def epoch(self, number: int, done: int, epochs: int, test_accuracy: float) -> None:
        row = self.rows.setdefault(number, {"node": "-", "attempt": 1})
        row.update(done=done, epochs=epochs, test_accuracy=test_accuracy)

    def read(self, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Of those trials that have started."""
        return {number: self.rows[number] for number in numbers if number in self.rows}


# --- at the driver ----------------------------------------------------------------------------------------------------


def train(trials: Sequence[Trial], options: RunOptions, cluster: Cluster) -> Iterator[Ended]:
    """Train trials on a cluster, as many at once as it has room for.

    Raises:
        RdfiaError: When Ray is not installed or the cluster cannot be reached, and what a trial raises.
    """
    options = placed(options, cluster)
    if not trials:
        return
    with ExitStack() as around:
        around.enter_context(_connected(cluster))
        job = around.enter_context(_job(options, cluster))
        # Ray handles signals of its own once it is connected.
        stop = around.enter_context(StopRequest())
        view = around.enter_context(_View())
        driver = _Driver(trials, job, cluster, view)
        try:
            yield from driver.train(stop)
        finally:
            driver.cancel()


@contextmanager
def _connected(cluster: Cluster) -> Iterator[None]:
    """While active, this process is the driver of a cluster."""
    ray = import_ray()
    # Ray prints what happens to workers and nodes on stdout; it belongs to what native libraries print.
    around = redirect_stdout(open(2, "w", buffering=1, closefd=False))  # noqa: SIM115
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    local = {"address": "local", "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    with around:
        try:
            _find(cluster.address)
            ray.init(**quiet, **({"address": cluster.address} if cluster.address else local))
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            said = " ".join(str(error).split())
            if cluster.address:
                where = "on this machine" if cluster.address == "auto" else f"at {cluster.address}"
                raise RdfiaError(
                    f"cannot join a Ray cluster {where}; start one with ray start --head: {said}"
                ) from error
            raise RdfiaError(f"cannot start Ray on this machine: {said}") from error
        try:
            yield
        finally:
            ray.shutdown()


def _find(address: str | None) -> None:
    """Refuse an address where nothing answers: Ray would try for minutes.

    Raises:
        OSError: When nothing does.
    """
    if address and address != "auto":
        host, _, port = address.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS_TO_CONNECT).close()


@contextmanager
def _job(options: RunOptions, cluster: Cluster) -> Iterator[Job]:
    """The job of a sweep; while active, the results folder has its marker."""
    marker = Path(CLAIMS, f"sweep-{uuid.uuid4().hex}")
    make_folder(options.out / CLAIMS)
    # The same in the next call of the command, which then resumes what this one left on a node.
    origin = f"{socket.gethostname()} {getpass.getuser()} {options.out}"
    scratch = f"rdfia-{hashlib.sha256(origin.encode()).hexdigest()[:16]}"
    write_atomic(options.out / marker, b"")
    try:
        yield Job(options, str(marker), scratch, cluster.num_cpus, tuple(sys.argv), rdfia_keras.__version__)
    finally:
        (options.out / marker).unlink(missing_ok=True)


@dataclass(frozen=True)
class _Running:
    """A trial that was handed to Ray, and what to close when it has ended: its claim."""

    number: int
    trial: Trial
    claim: ExitStack


class _Driver:
    """Hands trials to Ray, some more than the cluster has room for, and collects what comes back."""

    def __init__(self, trials: Sequence[Trial], job: Job, cluster: Cluster, view: "_View"):
        self.ray = ray = import_ray()
        self.job = job
        self.cluster = cluster
        self.view = view
        self.waiting = deque(enumerate(trials))
        self.running: dict[Any, _Running] = {}
        # On a GPU a worker must end to give the memory back; on a CPU it may serve several trials.
        self.task = ray.remote(
            num_cpus=cluster.num_cpus,
            num_gpus=cluster.num_gpus,
            max_retries=-1,
            max_calls=1 if cluster.num_gpus else 0,
        )(work)
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=True
        )
        self.board = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=here)(Board).remote()
        self._reading: Any = None
        self._told: set[str] = set()

    def train(self, stop: StopRequest) -> Iterator[Ended]:
        """Train until all trials have ended or a stop is asked for."""
        while (self.waiting or self.running) and not stop:
            yield from self._submit()
            yield from self._collect()
            self._look_at_board()
        if stop:
            left = [*self.waiting, *((one.number, one.trial) for one in self.running.values())]
            yield from self.cancel()
            if left:
                yield Ended(left[0][1], None, stop.exit_code(0))

    def _submit(self) -> Iterator[Ended]:
        """Hand over as many trials as fit twice; those that another process has claimed stay for later."""
        room = self.cluster.room(self.ray.nodes())
        self._check(room)
        for _ in range(len(self.waiting)):
            if len(self.running) >= min(max(2 * room, 1), MOST_AT_ONCE):
                return
            number, trial = self.waiting.popleft()
            with ExitStack() as claim:
                try:
                    claim.enter_context(claimed(self.job.options.out, trial.query, wait=False, roles=(DRIVER,)))
                except Busy:
                    self.waiting.append((number, trial))
                    continue
                if found := store_of(trial, self.job.options).find_finished(trial.query):
                    yield Ended(trial, found)
                    continue
                ref = self.task.options(name=trial.name).remote(number, trial, self.job, self.board)
                self.running[ref] = _Running(number, trial, claim.pop_all())
        if self.waiting and not self.running:
            self._tell("another process trains what is left; waiting for it to end")

    def _check(self, room: int) -> None:
        """Tell of a cluster that has no room for a trial.

        Raises:
            RdfiaError: When that is this machine, to which no node will be added.
        """
        if room:
            return
        if self.cluster.address is None:
            has = {kind: self.ray.cluster_resources().get(kind, 0) for kind in ("CPU", "GPU")}
            raise RdfiaError(
                f"a trial takes {self.cluster.describe()}, and this machine has {has['CPU']:g} cores and "
                f"{has['GPU']:g} GPUs: see --num-cpus and --num-gpus"
            )
        self._tell(f"no node has {self.cluster.describe()}, which a trial takes; waiting for one to join the cluster")

    def _tell(self, text: str) -> None:
        """A note, once."""
        if text not in self._told:
            note(text)
        self._told.add(text)

    def _collect(self) -> Iterator[Ended]:
        """What has come back by now; waits for a moment."""
        if not self.running:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            return
        ready, _ = self.ray.wait(list(self.running), timeout=SECONDS_BETWEEN_LOOKS)
        for ref in ready:
            one = self.running.pop(ref)
            with one.claim:
                returned = self._get(ref)
                if returned and returned.folder:
                    yield Ended(one.trial, keep(self.job.options.out, returned), returned.exit_code)
                else:
                    self.waiting.append((one.number, one.trial))

    def _get(self, ref: Any) -> Returned | None:
        """What a task gave back, or None when that was lost with its node.

        Raises:
            RdfiaError: As the task raised it.
        """
        errors = self.ray.exceptions
        try:
            return self.ray.get(ref)
        except (errors.ObjectLostError, errors.WorkerCrashedError, errors.TaskCancelledError):
            return None
        except errors.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, Exception) else error) from error

    def cancel(self) -> list[Ended]:
        """Stop the trials that are being trained after their batch; those of them that had ended meanwhile."""
        ended: list[Ended] = []
        for ref in self.running:
            self.ray.cancel(ref, recursive=False)
        end = time.monotonic() + SECONDS_TO_STOP
        while self.running and time.monotonic() < end:
            ended += self._collect()
        return ended

    def _look_at_board(self) -> None:
        """Show the trials that are being trained; never waits for the board, which may have died with its node."""
        if self._reading is None:
            self._reading = self.board.read.remote([one.number for one in self.running.values()])
        ready, _ = self.ray.wait([self._reading], timeout=0)
        if not ready:
            return
        try:
            rows = self.ray.get(self._reading)
        except self.ray.exceptions.RayError:
            rows = {}
        self._reading = None
        names = {one.number: one.trial.name for one in self.running.values()}
        started = {number: {"trial": names[number], **row} for number, row in rows.items() if number in names}
        self.view.show(started, waiting=len(self.waiting) + len(self.running) - len(started))


def keep(out: Path, returned: Returned) -> Run | None:
    """The run that a worker gave back, written into the results folder where it is missing."""
    assert returned.folder is not None, "it ended"
    folder = out / returned.folder
    if returned.is_shared:
        if stored := read_record(folder):
            return stored
        make_folder(folder)
    else:
        folder = new_folder(make_folder(folder.parent), folder.name)
    # The record comes last: a run that has one has all its files.
    for name in sorted(returned.files, key="metrics.json".__eq__):
        make_folder((folder / name).parent)
        write_atomic(folder / name, returned.files[name])
    return read_record(folder)


class _View:
    """The trials that are being trained: on a terminal a table of them, elsewhere a line for each that starts again."""

    def __init__(self) -> None:
        self._attempts: dict[int, int] = {}
        self._live: Any = None

    def __enter__(self) -> "_View":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(file=sys.stderr)
            self._live = Live(console=console, transient=True, auto_refresh=False, redirect_stdout=False)
            self._live.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, rows: Mapping[int, Mapping[str, Any]], waiting: int) -> None:
        """Show rows of the board, with the names of the trials, and how many trials have not started."""
        for number, row in rows.items():
            if row["attempt"] > self._attempts.setdefault(number, row["attempt"]):
                note(f"{row['trial']}: its process was lost; started again on the node {row['node']}")
            self._attempts[number] = row["attempt"]
        if self._live:
            self._live.update(table(list(rows.values()), waiting), refresh=True)


def table(rows: Sequence[Mapping[str, Any]], waiting: int) -> Any:
    """Rows of the board as a table of Rich."""
    from rich.table import Table

    shown = Table("trial", "node", "epoch", "test", box=None, title=f"training {len(rows)}, waiting {waiting}")
    for row in rows:
        epoch = f"{row['done']}/{row['epochs']}" if "done" in row else "-"
        shown.add_row(row["trial"], row["node"], epoch, percent(row.get("test_accuracy")))
    return shown
