"""Files that the user's folder lacks: from Keras's cache, or downloaded into it."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import getproxies

from rdfia_keras.errors import RdfiaError

if TYPE_CHECKING:
    from requests import Response

TRIES = 3
CONNECT_SECONDS = 5
READ_SECONDS = 15.0


@dataclass(frozen=True)
class Remote:
    """A published file and its places in Keras's `datasets` folder.

    Attributes:
        file: The name under which the user's folder holds it.
        url: Where it is published.
        sha256: The hexadecimal SHA-256 of its bytes.
        saved_as: The name of a download in Keras's folder, one that Keras finds there.
        cached: Every place in Keras's folder to look for it, unpacked or not, in order of preference.
    """

    file: str
    url: str
    sha256: str
    saved_as: str
    cached: tuple[str, ...]


class _Failed(Exception):
    """Why there is no download, in a few words."""


def fetch(remote: Remote, data_dir: Path | None) -> Path:
    """Returns the path of a file in Keras's cache, after downloading it there if need be.

    Args:
        remote: The file.
        data_dir: The user's folder, which lacks the file; only named in the error.

    Raises:
        RdfiaError: If the file is not cached and its download fails, which leaves the cache as it was.
    """
    home = _keras_home()
    try:
        return _find(remote, home) or _download(remote, home)
    except (_Failed, OSError) as error:
        searched = f"{data_dir} does not hold it and " if data_dir else ""
        raise RdfiaError(
            f"{remote.file} is needed but {searched}it could not be downloaded ({error}); put {remote.file} in a "
            "folder and pass `--data-dir FOLDER`, or name that folder in the environment variable RDFIA_DATA, "
            "or use `--dataset digits`, which needs no download"
        ) from error


@contextmanager
def cached_copy(path: Path) -> Iterator[None]:
    """Adds to the error about a cached file that deleting it is another way out."""
    try:
        yield
    except RdfiaError as error:
        raise RdfiaError(f"{error}, or delete {path} to have it downloaded again") from error


def _keras_home() -> Path:
    """Returns the folder in which Keras keeps its cache."""
    try:
        return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras").expanduser()
    except RuntimeError:  # There is no home folder: Keras then uses the one for temporary files.
        return Path(tempfile.gettempdir()) / ".keras"


def _find(remote: Remote, home: Path) -> Path | None:
    for place in remote.cached:
        path = home / "datasets" / place
        # An interrupted Keras can leave an empty folder.
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            return path
    return None


def _download(remote: Remote, home: Path) -> Path:
    import pooch
    from requests import RequestException

    folder = home / "datasets"
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    pooch.get_logger().setLevel("ERROR")
    cache = pooch.create(
        path=folder,
        base_url="",
        registry={remote.saved_as: remote.sha256},
        urls={remote.saved_as: remote.url},
        retry_if_failed=TRIES - 1,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(cache.fetch(remote.saved_as, downloader=_stream))
    except RequestException as error:
        raise _Failed(f"{remote.url}: {_reason(error)}") from error
    except ValueError as error:
        raise _Failed(f"{remote.url}: what arrived is not the published file, its SHA-256 differs") from error
    except OSError as error:
        fault = f"the cache folder {home} cannot be written, KERAS_HOME can name another"
        raise _Failed(f"{fault}: {_reason(error)}") from error
    finally:
        for path in created:
            with suppress(OSError):  # Only empty folders can be removed: after a success, none is.
                path.rmdir()


def _stream(url: str, file: str, _pooch: object) -> None:
    """Writes what `url` holds to `file`. Pooch tries again after a `RequestException` only."""
    from requests import ConnectionError, HTTPError, get
    from urllib3.exceptions import MaxRetryError

    try:
        with get(url, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as response:
            response.raise_for_status()
            _write(response, Path(file))
    except HTTPError as error:
        if error.response is not None and error.response.status_code < 500:
            raise _Failed(f"{url}: {_reason(error)}") from error
        raise
    except ValueError as error:
        proxy = getproxies().get("https")
        raise _Failed(f"the proxy address {proxy} is not valid: {_reason(error)}") from error
    except ConnectionError as error:
        fault = error.args[0] if error.args else None
        if isinstance(fault, MaxRetryError) and fault.pool:
            host = (getattr(fault.pool, "proxy", None) or fault.pool).host
            raise _Failed(f"{url}: no connection to {host}: {_reason(error)}") from error
        raise


def _write(response: "Response", path: Path) -> None:
    """Writes the body of a response; shows progress on a terminal and one line elsewhere."""
    # Pooch creates the file for its owner only, but others may share the cache.
    path.chmod(0o644)
    label = f"Downloading {response.url.rpartition('/')[2]} ..."
    total, done, is_terminal = int(response.headers.get("Content-Length", 0)), 0, sys.stderr.isatty()
    print(label, end="" if is_terminal else "\n", file=sys.stderr, flush=True)
    try:
        with path.open("wb") as file:
            for chunk in response.iter_content(1 << 16):
                file.write(chunk)
                done += len(chunk)
                if is_terminal and total:
                    print(f"\r{label} {done / total:4.0%} of {total / 1e6:.1f} MB", end="", file=sys.stderr, flush=True)
    finally:
        if is_terminal:
            print(file=sys.stderr)


def _reason(error: BaseException) -> str:
    """Returns on one line what the first of a chain of exceptions says."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:300]
