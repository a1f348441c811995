"""A sweep on a Ray cluster: a task for each trial, which is handed over again when its worker or node dies.

A worker trains into the sweep's results folder where its node sees it, so that the trial resumes on any node; elsewhere
into a folder of its own, and the whole run comes back through Ray. The driver is the process of the sweep.
"""

import functools
import logging
import os
import shutil
import socket
import sys
import time
import uuid
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile, gettempdir
from typing import Any

import rdfia_keras
from rdfia_keras.config import RunOptions
from rdfia_keras.errors import RdfiaError
from rdfia_keras.runs.files import make_folder, write_atomic
from rdfia_keras.runs.locks import LOCKS_FOLDER
from rdfia_keras.runs.run import Run, RunLocked, new_folder
from rdfia_keras.system.signals import StopRequest
from rdfia_keras.system.terminal import note
from rdfia_keras.training.get_or_train import Resources
from rdfia_keras.training.trials import Trial, TrialResult, lock_trial, store_of, train_trial

# What comes back of a run in a shared results folder: the driver may not see new files at once.
RECORD_FILES = ("config.json", "history.csv", "metrics.json")
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_TO_STOP = 60.0  # For cancelled trials to end after their batch and to write their records.
MAX_TASKS = 500  # Each holds an open file, its lock.
# Results are small; Ray would reserve a third of the memory.
LOCAL = {"address": "local", "include_dashboard": False, "object_store_memory": 100 * 2**20}


@dataclass(frozen=True)
class Cluster:
    """The cluster that trains trials, and what each takes of a node.

    Attributes:
        address: Address of a running cluster; None starts Ray on this machine for as long as the sweep takes.
        num_cpus: Cores of a trial, and its threads.
        num_gpus: GPUs of a trial: 0, 1, or a fraction.
    """

    address: str | None = None
    num_cpus: int = 1
    num_gpus: float = 0.0

    def room(self, nodes: Collection[Mapping[str, Any]]) -> int:
        """Return how many trials can be trained side by side on nodes as `ray.nodes` describes them."""
        needs = {"CPU": self.num_cpus, "GPU": self.num_gpus}
        resources = [node["Resources"] for node in nodes if node["Alive"]]
        return sum(int(min(node.get(kind, 0) / need for kind, need in needs.items() if need)) for node in resources)


@dataclass(frozen=True)
class SweepFacts:
    """Facts about the sweep that a worker needs.

    Attributes:
        options: The options, with absolute paths, which are the same on every node.
        marker: A file of the results folder: a node that sees it shares the folder.
        scratch: The folder for other nodes, within that for temporary files.
        threads: Threads of a trial.
        argv: The command line of the sweep.
        version: The version of this package.
    """

    options: RunOptions
    marker: Path
    scratch: str
    threads: int
    argv: tuple[str, ...]
    version: str


_resources = functools.cache(Resources)  # A process that serves several trials reads the data once.


def work(trial: Trial, facts: SweepFacts) -> tuple[Path | None, dict[str, bytes]]:
    """Find, resume or train one trial, in a worker process of any node.

    Returns:
        The run's folder, None if it was cut short; and its files by path within the folder.

    Raises:
        RdfiaError: If the training fails; the message names trial and node.
    """
    # TensorFlow reads these when it is imported. Ray itself sets OMP_NUM_THREADS.
    os.environ |= dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), str(facts.threads))
    sys.argv = list(facts.argv)
    is_shared = facts.marker.exists()
    options = facts.options if is_shared else replace(facts.options, out=Path(gettempdir(), facts.scratch))
    try:
        if facts.version != (here := rdfia_keras.__version__):
            raise RdfiaError(f"rdfia-keras is {here} there and {facts.version} here; install one version everywhere")
        run = train_trial(trial, _resources(options)).run
    except RdfiaError as error:
        raise RdfiaError(f"{trial.name}, on the node {socket.gethostname()}: {error}") from None
    if run is None:
        return None, {}
    paths = [run.folder / name for name in RECORD_FILES] if is_shared else run.folder.rglob("*")
    files = {path.relative_to(run.folder).as_posix(): path.read_bytes() for path in paths if path.is_file()}
    if not is_shared:
        shutil.rmtree(run.folder, ignore_errors=True)
    return run.folder, files


def keep(trained_in: Path, files: Mapping[str, bytes], out: Path) -> Run:
    """Return what `work` returned as a run of the results folder, with the files that are missing there."""
    folder = out / trained_in.parent.name / trained_in.name
    if trained_in != folder:
        folder = new_folder(make_folder(folder.parent), folder.name)
    # The record comes last: a run that has one has all its files.
    for name in sorted(files, key="metrics.json".__eq__):
        if not (folder / name).exists():
            make_folder((folder / name).parent)
            write_atomic(folder / name, files[name])
    return Run(folder)


def train(trials: Sequence[Trial], resources: Resources, cluster: Cluster) -> Iterator[TrialResult]:
    """Train trials on a cluster, as many at once as it has room for.

    Raises:
        RdfiaError: If the cluster cannot be used, or a trial fails.
    """
    options = resources.options
    data_dir, device = options.data_dir and options.data_dir.resolve(), options.device if cluster.num_gpus else "cpu"
    options = replace(options, out=options.out.resolve(), data_dir=data_dir, device=device)
    # The same in the next call of the command, which then resumes what this one left on a node.
    scratch = f"rdfia-{uuid.uuid5(uuid.NAMESPACE_OID, f'{socket.gethostname()} {Path.home()} {options.out}')}"
    folder = make_folder(options.out / LOCKS_FOLDER)
    # Ray handles signals of its own once it is connected.
    with NamedTemporaryFile(dir=folder) as marker, _connected(cluster.address) as ray, StopRequest() as stop:
        facts = SweepFacts(
            options, Path(marker.name), scratch, cluster.num_cpus, tuple(sys.argv), rdfia_keras.__version__
        )
        driver = _Driver(ray, trials, facts, cluster)
        try:
            while (driver.waiting or driver.tasks) and not stop:
                yield from driver.hand_over()
                yield from driver.collect()
        finally:
            last = list(driver.cancel())
        yield from last
        if stop:
            yield TrialResult(trials[-1], None, stop.exit_code(0))


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Yield Ray, of which this process is a driver while active; raise RdfiaError when there is none."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    # Ray prints what happens to workers and nodes on stdout; it belongs to what native libraries print.
    with redirect_stdout(open(2, "w", buffering=1, closefd=False)):
        try:
            if address and address != "auto":  # Where nothing answers, Ray would try for minutes.
                host, _, port = address.rpartition(":")
                socket.create_connection((host.strip("[]"), int(port)), timeout=5.0).close()
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **({"address": address} if address else LOCAL))
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            what = f"join a Ray cluster at {address}; start one with ray start --head" if address else "start Ray here"
            raise RdfiaError(f"cannot {what}: {' '.join(str(error).split())}") from error
        try:
            yield ray
        except ray.exceptions.LocalRayletDiedError as error:
            raise RdfiaError("Ray has died on this machine; the same command again resumes the sweep") from error
        finally:
            ray.shutdown()


class _Driver:
    """Hands trials to Ray, about as many as the cluster has room for, and collects what comes back."""

    def __init__(self, ray: Any, trials: Sequence[Trial], facts: SweepFacts, cluster: Cluster):
        self.facts = facts
        self.cluster = cluster
        self.waiting = deque(trials)
        self.tasks: dict[Any, tuple[Trial, AbstractContextManager[Any]]] = {}  # A trial that Ray has, and its lock.
        self._note_once = functools.cache(note)
        self._ray = ray
        self._node = ray.get_runtime_context().get_node_id()
        # On a GPU a worker must end to give the memory back. Ray would retry what is lost without a word.
        cpus, gpus = cluster.num_cpus, cluster.num_gpus
        self._work = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0, max_calls=1 if gpus else 0)(work)

    def hand_over(self) -> Iterator[TrialResult]:
        """Hand over trials that no other sweep has locked; yield those that one has finished."""
        # One more than fits: a cluster that grows by demand grows then.
        most = min(self._room() + 1, MAX_TASKS)
        for _ in range(len(self.waiting)):
            if len(self.tasks) >= most:
                return
            trial = self.waiting.popleft()
            try:
                lock = lock_trial(trial, self.facts.options, wait=False)
            except RunLocked:
                self.waiting.append(trial)
                continue
            if run := store_of(trial, self.facts.options).find_finished(trial.query):
                with lock:
                    yield TrialResult(trial, run)
            else:
                self.tasks[self._work.options(name=trial.name).remote(trial, self.facts)] = trial, lock
        if self.waiting and not self.tasks:
            self._note_once("another sweep trains what is left; waiting for it to end")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _room(self) -> int:
        """Return how many trials fit; raise RdfiaError when this machine has room for none."""
        room, cpus, gpus = self.cluster.room(self._nodes()), self.cluster.num_cpus, self.cluster.num_gpus
        needs = f"the {cpus} CPU and {gpus:g} GPU that a trial takes"
        if not room and self.cluster.address is None:
            raise RdfiaError(f"this machine does not have {needs}: see --num-cpus and --num-gpus")
        has_room = f"room for {room} trials at once; rdfia runs shows how far they are"
        self._note_once(has_room if room else f"no node has {needs}; waiting for one to join the cluster")
        return room

    def _nodes(self) -> list[Mapping[str, Any]]:
        """Return the nodes; raise Ray's error when this machine's has died, which Ray does not before it is needed."""
        nodes: list[Mapping[str, Any]] = self._ray.nodes()
        if not any(node["Alive"] and node["NodeID"] == self._node for node in nodes):
            raise self._ray.exceptions.LocalRayletDiedError
        return nodes

    def collect(self) -> Iterator[TrialResult]:
        """Yield what has ended, after a moment's wait; trials that were lost or cut short wait again."""
        errors = self._ray.exceptions
        lost = (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, errors.ObjectLostError)
        ready, _ = self._ray.wait(list(self.tasks), timeout=SECONDS_BETWEEN_LOOKS) if self.tasks else ([], [])
        for ref in ready:
            trial, lock = self.tasks.pop(ref)
            folder, files = None, {}
            with lock:
                try:
                    folder, files = self._ray.get(ref)
                except lost:
                    note(f"{trial.name}: its process was lost; waiting to start again")
                except errors.TaskCancelledError:
                    pass
                except errors.RayTaskError as error:
                    raise (error.cause if isinstance(error.cause, RdfiaError) else error) from error
                if folder:
                    yield TrialResult(trial, keep(folder, files, self.facts.options.out))
                else:
                    self.waiting.append(trial)

    def cancel(self) -> Iterator[TrialResult]:
        """Stop the trials in training after their batch; yield those that had ended meanwhile."""
        for ref in self.tasks:
            self._ray.cancel(ref, recursive=False)
        end = time.monotonic() + SECONDS_TO_STOP
        while self.tasks and self._nodes() and time.monotonic() < end:
            yield from self.collect()
