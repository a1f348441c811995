"""The judge's side of the fork server: start it, get a child for a submission, call functions in it, end it."""

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.grading import wire
from rdfia_keras.learn.grading.child import MOST_BYTES

_SCRIPT = Path(__file__).parent / "fork_server.py"
_START_SECONDS = 180.0
# Beyond the time at which the child interrupts the student's code by itself, which that code can prevent.
_GRACE = 1.0


class Died(Exception):
    """The child is gone; the message says how, as the end of a sentence on it."""


class ForkServer:
    """Gives a child for each submission.

    Args:
        keras: Whether Keras is imported in it, and threads are allowed; otherwise there is NumPy only.
        isolated: Whether children are locked in.
        given_up: Whether nobody wants it any more, asked while it starts.

    Raises:
        RdfiaError: When isolation is asked for and something for it is missing, or the server does not start.
    """

    def __init__(self, keras: bool, isolated: bool, given_up: Callable[[], bool] = lambda: False):
        self.keras, self.isolated, self._given_up = keras, isolated, given_up
        self._ready = False
        self._lock = threading.Lock()
        self._children: set[Child] = set()
        self._folder = Path(tempfile.mkdtemp(prefix="rdfia-grade-"))
        self._control, theirs = socket.socketpair()
        settings = {
            "folder": str(self._folder),
            "keras": keras,
            "isolated": isolated,
            "threads": keras,
            "seccomp": sys.platform == "linux",
            "memory": (4 if keras else 1) << 30,
            "cpu_seconds": 60 if keras else 30,
        }
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-B", str(_SCRIPT), str(theirs.fileno()), json.dumps(settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            pass_fds=[theirs.fileno()],
            env=_environment(self._folder),
            cwd=self._folder,
            start_new_session=True,
        )
        theirs.close()
        try:
            self._wait_until_ready()
            self._probe()
        except BaseException:
            self.close()
            raise

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and not self._given_up():
            if not select.select([self._control], [], [], 0.2)[0]:
                continue
            line = self._control.recv(1 << 16)
            if not line:
                break
            found = json.loads(line)
            if "missing" in found:
                raise _missing(found["missing"])
            self._ready = True
            return
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().splitlines()[-1:]
        raise RdfiaError(f"the process that runs submissions does not start: {' '.join(last) or 'it says nothing'}")

    def _probe(self) -> None:
        """A child that does nothing shows whether everything is there."""
        with self.child() as child:
            child.request({"do": "load", "files": [], "definitions_only": False}, 60.0)

    @contextmanager
    def child(self) -> Iterator["Child"]:
        """A new child, which is gone at the end.

        Raises:
            RdfiaError: When the server is gone.
        """
        folder = self._folder if self.isolated else Path(tempfile.mkdtemp(dir=self._folder))
        jobs, our_jobs = os.pipe()
        our_answers, answers = os.pipe()
        lease, theirs = socket.socketpair()
        try:
            with self._lock:
                order = json.dumps({"folder": str(folder)}).encode()
                socket.send_fds(self._control, [order], [jobs, answers, theirs.fileno()])
                child = Child(our_jobs, our_answers, lease)
                self._children.add(child)
        except OSError as error:
            for file in (our_jobs, our_answers):
                os.close(file)
            lease.close()
            raise RdfiaError("the process that runs submissions is gone: run the command again, it goes on") from error
        finally:
            os.close(jobs)
            os.close(answers)
            theirs.close()
        try:
            yield child
        finally:
            self._children.discard(child)
            child.end()
            if not self.isolated:
                _remove(folder)

    def close(self) -> None:
        """End the server and its children, also those that threads still wait for."""
        with self._lock:
            self._control.close()
            for child in list(self._children):
                child.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5 if self._ready else 0)
        self._process.kill()
        self._process.wait()
        self._errors.close()
        _remove(self._folder)


def _remove(folder: Path) -> None:
    """Remove a folder in which a submission may have written: Python's own way ends at 1000 folders in each other."""
    subprocess.run(["rm", "-rf", "--", str(folder)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of the teacher's; small arrays gain nothing from threads."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "LANG", "LC_ALL") if name in os.environ}
    single = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "TF_NUM_INTRAOP", "TF_NUM_INTEROP")}
    tensorflow = {
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
    }
    return {**kept, **single, **tensorflow, "HOME": str(folder), "TMPDIR": str(folder), "PATH": os.defpath}


def _missing(what: str) -> RdfiaError:
    return RdfiaError(
        f"submissions cannot be isolated here ({what}): use the container that docs/teach.md gives, or --trusted to "
        "run them with limits only"
    )


class Child:
    """One child of a fork server: its pipes, and the lease by which its keeper lets it live."""

    def __init__(self, jobs: int, answers: int, lease: socket.socket):
        self._jobs, self._answers, self._lease = jobs, answers, lease
        self.gone = False

    def request(self, job: dict[str, Any], seconds: float) -> tuple[dict[str, Any], bytes]:
        """Send a job and wait for its answer.

        Returns:
            The answer's JSON, and what its arrays are in.

        Raises:
            Died: When the child ended, or takes too long, or sends something else.
            RdfiaError: When isolation failed.
        """
        if self.gone:
            raise Died("the process has ended")
        deadline = time.monotonic() + seconds + _GRACE
        try:
            self.gone = True
            self._write(wire.message(**job), deadline)
            sizes = self._read(8, deadline)
            text, blob = int.from_bytes(sizes[:4], "big"), int.from_bytes(sizes[4:], "big")
            if text > wire.MOST_JSON or blob > MOST_BYTES:
                raise Died("it sends something that is no result")
            answer = wire.answer(self._read(text, deadline)), self._read(blob, deadline)
            self.gone = False
            return answer
        except wire.BadAnswer as error:
            raise Died(str(error)) from error
        except BrokenPipeError:
            raise Died(self._how()) from None

    def _write(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            _, ready, _ = select.select([], [self._jobs], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise Died("it still runs after its time: is there an endless loop?")
            view = view[os.write(self._jobs, view[:4096]) :]

    def _read(self, size: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise Died("it still runs after its time: is there an endless loop?")
            more = os.read(self._answers, min(size - len(data), 1 << 20))
            if not more:
                raise Died(self._how())
            data += more
        return bytes(data)

    def _how(self) -> str:
        """How the child ended, as its keeper says."""
        self._lease.settimeout(5)
        with suppress(OSError):
            kind, _, rest = self._lease.recv(1000).decode(errors="replace").partition(" ")
            if kind == "failed":
                raise _missing(rest)
            if kind == "ended" and rest.startswith("-"):
                return f"the process was ended by signal {rest[1:]}: a crash, or too much memory or time?"
            if kind == "ended" and rest == "4":  # See `fork_server.run`.
                return "the process cannot answer any more: does it change Python's own modules, or close files?"
            if kind == "ended":
                return f"the process ended with exit code {rest}: does it call exit?"
        return "the process ended"

    def kill(self) -> None:
        """Have its keeper kill it; who waits for an answer learns that it is gone."""
        with suppress(OSError):
            self._lease.shutdown(socket.SHUT_WR)

    def end(self) -> None:
        """Kill it, and wait until everything in it is gone."""
        for file in (self._jobs, self._answers):
            os.close(file)
        self.kill()
        with suppress(OSError):
            self._lease.settimeout(10)
            while self._lease.recv(1000):
                pass
        self._lease.close()
