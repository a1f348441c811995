"""Start workers and talk to them: as the student's own process, or locked in by bubblewrap for a class.

Bubblewrap (the program `bwrap`) gives a worker namespaces of its own, so it has no network and sees no other process,
and a file system of Python and the libraries that are allowed, read-only but for an empty folder in memory.
"""

import json
import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn import protocol
from rdfia_keras.learn.worker import HEADER, MOST_BYTES

SCRIPT = Path(__file__).with_name("worker.py")
PACKAGE = "rdfia_keras"
# Where a submission that is locked in can write.
EMPTY = "/submission"
# Seconds to start in; and beyond the time at which a worker interrupts the student's code, which that can prevent.
START_SECONDS, GRACE = 180.0, 1.0
# No exercise in NumPy may use them, and none may use our solutions.
LIBRARIES = ("scipy", "sklearn", "keras", "tensorflow", "torch", "jax")


class Died(Exception):
    """A worker is gone; the message says how, as the end of a sentence on it."""


class Workers:
    """Starts workers, and ends all of them at once.

    Args:
        isolated: Whether bubblewrap locks them in.
        hidden: Whether they get a folder and an environment of their own, and nobody sees what they print.

    Raises:
        RdfiaError: If isolation is asked for and does not work here.
    """

    def __init__(self, isolated: bool = False, hidden: bool = False):
        self.isolated, self.hidden = isolated, hidden or isolated
        self.closed = False
        self._lock = threading.Lock()
        self._running: set[Worker] = set()
        if isolated:
            check_isolation()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, keras: bool) -> "Worker":
        """Start a worker; its first answer comes when it has imported its libraries.

        Raises:
            RdfiaError: After `close`.
        """
        with self._lock:
            if self.closed:
                raise RdfiaError("grading was interrupted: run the command again, it goes on")
            worker = Worker(keras, self.isolated, self.hidden)
            self._running.add(worker)
            return worker

    def end(self, worker: "Worker") -> None:
        """End a worker."""
        self._running.discard(worker)
        worker.end()

    def close(self) -> None:
        """Kill all workers, also those that threads still wait for."""
        with self._lock:
            self.closed = True
            for worker in list(self._running):
                worker.kill()


class Worker:
    """A process that runs a student's code with NumPy, and with Keras if asked for; see `worker` and `Workers`."""

    def __init__(self, keras: bool, isolated: bool, hidden: bool):
        self.keras, self._isolated = keras, isolated
        self.gone = self._expired = False
        self._folder = Path(tempfile.mkdtemp(prefix="rdfia-grade-")) if hidden and not isolated else None
        settings = {
            "imports": ["keras", "tensorflow"] if keras else [],
            "forbidden": [PACKAGE] if keras else [PACKAGE, *LIBRARIES],
            "memory": (4 if keras else 1) << 30,
            "cpu_seconds": 600 if keras else 300,
        }
        libraries = _library_folders(keras) if isolated else [entry for entry in sys.path if entry]
        command = [*_python(), str(SCRIPT), json.dumps(settings)]
        environment = _environment(libraries)
        if hidden:
            environment |= {"HOME": str(self._folder or EMPTY), "TMPDIR": str(self._folder or EMPTY)}
        else:
            environment = {**os.environ, **environment}
        options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": environment}
        options |= {"stderr": subprocess.DEVNULL, "cwd": self._folder or "/"} if hidden else {"stderr": _stderr()}
        options["start_new_session"] = sys.platform != "win32"
        if isolated:
            with _no_new_processes() as rules:
                command = [*_bubblewrap(keras), "--seccomp", str(rules.fileno()), "--", *command]
                self._process = subprocess.Popen(command, pass_fds=[rules.fileno()], **options)
        else:
            self._process = subprocess.Popen(command, **options)

    def wait_until_ready(self) -> None:
        """Wait for the libraries' import.

        Raises:
            RdfiaError: If it does not start.
        """
        try:
            self._exchange(b"", START_SECONDS)
        except Died as death:
            raise RdfiaError(f"the process that runs the functions does not start: {death}") from death

    def request(self, job: dict[str, Any], seconds: float) -> tuple[dict[str, Any], bytes]:
        """Send a job and wait for its answer.

        Returns:
            The answer's JSON, and what its arrays are in.

        Raises:
            Died: If the worker ended, or takes too long, or sends something else.
        """
        return self._exchange(protocol.message(**job), seconds + GRACE)

    def _exchange(self, data: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        assert self._process.stdin is not None
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        self.gone = True
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
            text_size, blob_size = HEADER.unpack(self._read(HEADER.size))
            if text_size > protocol.MOST_JSON or blob_size > MOST_BYTES:
                raise protocol.BadAnswer
            answer = protocol.read_json(self._read(text_size)), self._read(blob_size)
        except (BrokenPipeError, ConnectionResetError):
            raise Died(self._how()) from None
        except protocol.BadAnswer as error:
            raise Died(str(error)) from error
        finally:
            timer.cancel()
        self.gone = False
        return answer

    def _read(self, size: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        if len(data) < size:
            raise Died(self._how())
        return data

    def _expire(self) -> None:
        self._expired = True
        self.kill()

    def _how(self) -> str:
        """Return how the process ended, as the end of a sentence."""
        if self._expired:
            return "it still runs after its time: is there an endless loop?"
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(5)
            if self._isolated and code > 128:  # Bubblewrap adds 128 to a signal, as shells do.
                code = 128 - code
            if code < 0:
                return f"the process was ended by signal {-code}: a crash, or too much memory?"
            if code == 4:  # See `worker.main`.
                return "the process cannot answer any more: does it change Python's own modules, or close files?"
            return f"the process ended with exit code {code}: does it call exit?"
        return "the process closed its pipe"

    def kill(self) -> None:
        """Kill it and what it started; who waits for an answer learns that it is gone."""
        with suppress(OSError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill it, and wait until everything in it is gone."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self.kill()
        self._process.wait()
        with suppress(OSError):
            self._process.stdin.close()
        while self._isolated and self._process.stdout.read(1 << 16):
            pass  # The pipe ends with the last process that holds it.
        self._process.stdout.close()
        if self._folder:
            with suppress(RecursionError):
                shutil.rmtree(self._folder, ignore_errors=True)


def _stderr() -> int | None:
    """Return the file that `sys.stderr` writes to, which is not always descriptor 2; see `system.native_logs`."""
    try:
        return sys.stderr.fileno()
    except (OSError, AttributeError):
        return None


# --- isolation --------------------------------------------------------------------------------------------------------


def check_isolation() -> None:
    """Start Python in the sandbox once.

    Raises:
        RdfiaError: If bubblewrap is missing, or does not work here.
    """
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        raise _unavailable("bwrap is missing: on Linux, install the package bubblewrap, 0.8 or newer")
    if platform.machine() not in _PROCESS_CALLS:
        raise _unavailable(f"its rules are written for {' and '.join(_PROCESS_CALLS)}, not for {platform.machine()}")
    with _no_new_processes() as rules:
        command = [*_bubblewrap(False), "--seccomp", str(rules.fileno()), "--", *_python(), "-c", "import numpy"]
        environment = _environment(_library_folders(False))
        done = subprocess.run(
            command, env=environment, pass_fds=[rules.fileno()], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise _unavailable((done.stderr.strip().splitlines() or [f"bwrap exits with {done.returncode}"])[-1])


def _unavailable(why: str) -> RdfiaError:
    return RdfiaError(
        f"submissions cannot be isolated here: {why}. Otherwise use the container that docs/teach.md gives, or "
        "--trusted to run them with limits only"
    )


def _python() -> list[str]:
    """Return Python without site-packages: `_environment` names the folders that it may import from."""
    return [os.path.realpath(sys.executable), "-B", "-P", "-s", "-S"]


def _environment(libraries: list[str]) -> dict[str, str]:
    """Return an environment with nothing of the teacher's; small arrays gain nothing from threads."""
    single = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    tensorflow = {
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
    }
    # What decides the last bits, and with them the signs of eigenvectors, is as in this process.
    same = {name: value for name, value in os.environ.items() if name.startswith(("LANG", "LC_", "OPENBLAS_", "MKL_"))}
    plain = {"MPLBACKEND": "Agg", "PATH": os.defpath, "PYTHONPATH": os.pathsep.join(libraries)}
    return {**same, **single, **tensorflow, **plain}


def _library_folders(keras: bool) -> list[str]:
    """Return the folders in which packages are installed: NumPy's, and with Keras all of them."""
    numpy = str(Path(np.__file__).parents[1])
    others = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")] if keras else []
    if keras and (spec := find_spec("keras")) and spec.origin:
        others.append(str(Path(spec.origin).parents[1]))
    return list(dict.fromkeys([numpy, *others]))


def _bubblewrap(keras: bool) -> list[str]:
    """Return the command that locks a worker in: Python and the libraries, an empty folder, and nothing else."""
    prefix = os.path.realpath(sys.base_prefix)
    command = ["bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"]
    command += ["--cap-drop", "ALL"]
    command += ["--ro-bind", "/usr", "/usr"] + ([] if prefix.startswith("/usr") else ["--ro-bind", prefix, prefix])
    for path in ("/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/sys/devices/system"):
        command += ["--ro-bind-try", path, path]
    # Installed packages are hidden, for this one may be among them; then those that are allowed are shown.
    hidden = [
        folder
        for root in dict.fromkeys((prefix, "/usr", "/usr/local"))
        for kind in ("site-packages", "dist-packages")
        for folder in Path(root).glob(f"lib/python*/{kind}")
    ]
    for folder in hidden:
        command += ["--tmpfs", str(folder)]
    masks = [*hidden]
    for name in _library_folders(keras):
        folder = Path(name)
        if keras:
            command += ["--ro-bind", name, name]
            if (folder / PACKAGE).is_dir():
                command += ["--tmpfs", str(folder / PACKAGE)]
                masks.append(folder / PACKAGE)
        else:
            for library in ("numpy", "numpy.libs"):
                command += ["--ro-bind-try", str(folder / library), str(folder / library)]
    command += ["--ro-bind", str(SCRIPT), str(SCRIPT), "--proc", "/proc", "--dev", "/dev"]
    command += ["--size", str(16 << 20), "--tmpfs", EMPTY, "--chdir", EMPTY]
    for folder in [*masks, Path("/")]:
        command += ["--remount-ro", str(folder)]
    return command


# Numbers of fork and vfork, and of clone; see asm/unistd_64.h and asm-generic/unistd.h.
_PROCESS_CALLS = {"x86_64": (0xC000003E, (57, 58), 56), "aarch64": (0xC00000B7, (), 220)}
_LOAD, _EQUAL, _AT_LEAST, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _EPERM, _ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
_CLONE3, _THREAD, _X32 = 435, 0x00010000, 0x40000000


def _no_new_processes() -> BinaryIO:
    """Return a seccomp program that refuses new processes but not threads, in a file.

    With it the limits on memory and processor time hold for all that a submission does. It holds for root, for whom the
    system's limit on processes does not.
    """
    architecture, forks, clone = _PROCESS_CALLS[platform.machine()]
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    program += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _EPERM)]
    for call in forks:
        program += [(_EQUAL, 0, 1, call), (_RETURN, 0, 0, _EPERM)]
    # The flags of clone3 lie in memory, where a filter cannot look: the C library then uses clone.
    program += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ENOSYS)]
    program += [(_EQUAL, 0, 3, clone), (_LOAD, 0, 0, 16), (_BITS, 1, 0, _THREAD), (_RETURN, 0, 0, _EPERM)]
    program.append((_RETURN, 0, 0, _ALLOW))
    file = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    file.write(b"".join(struct.pack("HBBI", *step) for step in program))
    file.seek(0)
    return file  # type: ignore[return-value]
