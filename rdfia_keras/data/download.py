"""Files that are not in the user's folder: first Keras's own cache, then a download that cannot spoil that cache."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rdfia_keras.errors import RdfiaError


@dataclass(frozen=True)
class _Remote:
    """Where a data set is on the network and, in order of preference, in Keras's `datasets` folder."""

    archive: str
    host: str
    cached: tuple[str, ...]


_REMOTES = {
    "mnist": _Remote("mnist.npz", "storage.googleapis.com", ("mnist.npz",)),
    "cifar10": _Remote(
        "cifar-10-python.tar.gz",
        "www.cs.toronto.edu",
        (
            # Keras since 3.7, its archive, and the names that earlier releases gave the same two.
            "cifar-10-batches-py-target/cifar-10-batches-py",
            "cifar-10-batches-py-target_archive",
            "cifar-10-batches-py/cifar-10-batches-py",
            "cifar-10-batches-py",
            "cifar-10-batches-py.tar.gz",
        ),
    ),
}
_PROBE_SECONDS = 5
# Keras sets no timeout of its own, so that a silent server would hold the user for ever.
_CHILD = "import socket; socket.setdefaulttimeout(15); import keras; keras.datasets.{name}.load_data()"


class _Failed(Exception):
    """Why there was no download, in a few words."""


def obtain(name: str, data_dir: Path | None) -> Path:
    """The file or folder of `mnist` or `cifar10` in Keras's cache, downloaded there when it is not.

    Args:
        name: `mnist` or `cifar10`.
        data_dir: The user's folder, already searched in vain; only named in the error.

    Raises:
        RdfiaError: When the file is not cached and cannot be downloaded; the cache is then as it was.
    """
    remote = _REMOTES[name]
    home = _keras_home()
    try:
        cached = _find(remote, home)
        if cached is None:
            _probe(remote.host)
            _download(name, home)
            cached = _find(remote, home)
        if cached is None:
            raise _Failed(f"the download left nothing in {home}")
        return cached
    except (_Failed, OSError) as error:
        searched = f"{data_dir} does not hold it and " if data_dir else ""
        raise RdfiaError(
            f"{remote.archive} is needed but {searched}it could not be downloaded ({error}); put {remote.archive} in a "
            "folder and pass `--data-dir FOLDER`, or name that folder in the environment variable RDFIA_DATA, "
            "or use `--dataset digits`, which needs no download"
        ) from error


@contextmanager
def cached_copy(path: Path) -> Iterator[None]:
    """Adds to the fault of a cached file that deleting it mends it too."""
    try:
        yield
    except RdfiaError as error:
        raise RdfiaError(f"{error}, or delete {path} to have it downloaded again") from error


def _keras_home() -> Path:
    """The folder that Keras keeps its cache in."""
    try:
        return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()
    except RuntimeError:  # There is no home folder: Keras then uses the one for temporary files.
        return Path(tempfile.gettempdir()) / ".keras"


def _find(remote: _Remote, home: Path) -> Path | None:
    for place in remote.cached:
        path = home / "datasets" / place
        # An interrupted Keras can leave an empty folder.
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            return path
    return None


def _probe(host: str) -> None:
    """Fails within seconds when there is no network, before the slow start of Keras."""
    address = _proxy_address() or (host, 443)
    try:
        socket.create_connection(address, timeout=_PROBE_SECONDS).close()
    except OSError as error:
        raise _Failed(f"no connection to {address[0]}: {error.strerror or error}") from error


def _proxy_address() -> tuple[str, int] | None:
    """Host and port of the proxy that https goes through, if the user has one."""
    proxy = urllib.request.getproxies().get("https")
    if not proxy:
        return None
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        return (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)) if parts.hostname else None
    except ValueError as error:
        raise _Failed(f"the proxy address {proxy} is not valid") from error


def _download(name: str, home: Path) -> None:
    """Lets Keras download into a folder of its own beside the cache, then moves what came into the cache."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        # Keras writes straight into its cache and deletes what is there when a download fails.
        fresh = Path(tempfile.mkdtemp(prefix=".rdfia-download-", dir=home))
    except OSError as error:
        raise _Failed(
            f"the cache folder {home} cannot be written, KERAS_HOME can name another: {error.strerror}"
        ) from error
    try:
        _run_keras(name, fresh)
        _publish(fresh / "datasets", home / "datasets")
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _run_keras(name: str, keras_home: Path) -> None:
    print(f"Downloading {_REMOTES[name].archive} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        # -P: a keras.py or socket.py in the current folder is not what is meant.
        [sys.executable, "-P", "-c", _CHILD.format(name=name)],
        env={**os.environ, "KERAS_HOME": str(keras_home), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdin=subprocess.DEVNULL,
        stdout=_progress_target(),
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").split("\n")
        reasons = [line.strip().rstrip(".") for line in lines if line.strip()]
        raise _Failed(reasons[-1][:300] if reasons else f"the download ended with status {done.returncode}")


def _progress_target() -> int:
    """Our stderr for Keras's progress bar; nothing where that is a file, which it would fill with 20 lines a second."""
    return 2 if os.isatty(2) else subprocess.DEVNULL


def _publish(fresh: Path, datasets: Path) -> None:
    datasets.mkdir(parents=True, exist_ok=True)
    for item in sorted(fresh.iterdir()):
        target = datasets / item.name
        try:
            item.replace(target)
        except OSError:
            # A folder cannot replace one that another process has just put there, and need not.
            if not target.exists():
                raise
