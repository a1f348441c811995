"""The process that forks a child for each submission: it has imported NumPy, or Keras, and run nothing of a student.

A script, started with Python's -I and without the package: what a child could look up in its memory is the standard
library, the libraries that an exercise allows, and the three files beside this one. It gets its orders, and the pipes
for each child, through a socket, and ends with it.

Between it and the child is a keeper, which kills the child when the judge closes its side or dies, and tells how the
child ended. With isolation the child is the first process of a PID namespace, so that everything in it ends with it.
"""

import importlib
import importlib.util
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
# Not allowed in any exercise, or of no use here and slow.
REFUSED = frozenset({"rdfia_keras", "matplotlib", "seaborn", "pandas", "torch", "jax", "sklearn", "IPython"})


def load(path: Path) -> ModuleType:
    """A module from its file; the package that it belongs to is not imported."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def forget_package() -> None:
    """Forget how an editable install finds the package."""
    for name in [name for name in sys.modules if "rdfia_keras" in name]:
        del sys.modules[name]
    sys.meta_path[:] = [one for one in sys.meta_path if "rdfia_keras" not in getattr(one, "__module__", "")]


def keep(order: dict[str, Any], jobs: int, answers: int, lease: socket.socket, isolation: ModuleType) -> None:
    """Start the child of one submission and see it to its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        if order["isolated"]:
            isolation.own_processes(order["folder"])
        child = os.fork()
    except Exception as error:
        lease.sendall(f"failed {error}".encode())
        return
    if child == 0:
        run(order, jobs, answers, lease, isolation)
    os.close(jobs)
    os.close(answers)
    while True:
        gone, _, _ = select.select([lease], [], [], 0.02)
        if gone and not lease.recv(1):
            for kill in (os.kill, os.killpg):
                with suppress(OSError):
                    kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            lease.sendall(f"ended {os.waitstatus_to_exitcode(status)}".encode())
            return


def run(order: dict[str, Any], jobs: int, answers: int, lease: socket.socket, isolation: ModuleType) -> None:
    """The child; never returns."""
    try:
        os.setsid()
        os.dup2(1, 2)  # /dev/null: in the server's own file others could read what this one prints.
        os.chdir(order["folder"])
        os.environ.update(HOME=order["folder"], TMPDIR=order["folder"])
        isolation.limit(order["memory"], order["cpu_seconds"])
        if order["isolated"]:
            isolation.lock_in(order["folder"], order["readable"], order["threads"])
        elif order["seccomp"]:
            isolation.restrict_calls(order["threads"])
    except Exception as error:
        lease.sendall(f"failed {error}".encode())
        os._exit(0)
    lease.close()
    try:
        child = sys.modules["child"]
        allowed = None if order["threads"] else frozenset({*sys.stdlib_module_names, "numpy"})
        child.serve(jobs, answers, child.Refused(allowed, REFUSED))
    except BaseException:
        os._exit(4)
    os._exit(0)


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(sys.argv[2])
    isolation = load(HERE / "isolation.py")
    try:
        if settings["isolated"]:
            isolation.enter_namespaces(settings["folder"])
    except Exception as error:
        control.sendall(json.dumps({"missing": str(error)}).encode() + b"\n")
        return
    load(HERE.parent / "calling.py")
    load(HERE / "child.py").calling = sys.modules["calling"]  # type: ignore[attr-defined]
    if settings["keras"]:
        for name in ("keras", "tensorflow"):
            importlib.import_module(name)
    libraries = None if settings["keras"] else ("numpy", "numpy.libs")
    settings["readable"] = isolation.readable(libraries) if settings["isolated"] else []
    forget_package()
    sys.path[:] = [entry for entry in sys.path if not (Path(entry) / "rdfia_keras").exists()]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control.sendall(json.dumps({"ready": True}).encode() + b"\n")
    while True:
        text, files, _, _ = socket.recv_fds(control, 1 << 16, 3)
        if not text:
            return
        if os.fork() == 0:
            control.close()
            try:
                order = {**settings, **json.loads(text)}
                keep(order, files[0], files[1], socket.socket(fileno=files[2]), isolation)
            finally:
                os._exit(0)
        for file in files:
            os.close(file)


if __name__ == "__main__":
    main()
