"""Published files: from the user's folder, from Keras's cache, or downloaded into it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.request import getproxies

from rdfia_keras.data.dataset import Dataset
from rdfia_keras.errors import RdfiaError
from rdfia_keras.system.backend import keras_home

TRIES = 2
CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0


@dataclass(frozen=True)
class Remote:
    """A published file and its places in Keras's `datasets` folder.

    Attributes:
        file: The name under which the user's folder holds it.
        url: Its address.
        sha256: The hexadecimal SHA-256 of its bytes.
        saved_as: The name of a download in Keras's folder, one that Keras finds there.
        cached: Every place in Keras's folder to look for it, unpacked or not, in order of preference.
        other: What the user's folder may hold in its place, in words.
    """

    file: str
    url: str
    sha256: str
    saved_as: str
    cached: tuple[str, ...]
    other: str


def read_or_fetch(
    remote: Remote, data_dir: Path | None, find: Callable[[Path], Path | None], read: Callable[[Path], Dataset]
) -> Dataset:
    """Read a published file from the user's folder, or else from Keras's cache, downloaded there if need be.

    Args:
        remote: The file.
        data_dir: The user's folder, or None.
        find: Return the path of the file, or of what was unpacked from it, in a folder; None if there is none.
        read: Read it.

    Raises:
        RdfiaError: If the file is damaged, or is nowhere and its download fails, which leaves the cache as it was.
    """
    path = find(data_dir) if data_dir else None
    # A pipe would be waited on for ever.
    if path and not path.is_file() and not path.is_dir():
        raise RdfiaError(f"{path} is not a regular file; put the published file there")
    if path:
        return read(path)
    folder = keras_home() / "datasets"
    path = next((folder / place for place in remote.cached if _holds_data(folder / place)), None)
    if path is None:
        path = _download(remote, folder, data_dir)
    try:
        return read(path)
    except RdfiaError as error:
        raise RdfiaError(f"{error}, or delete {path} to have it downloaded again") from error


def _holds_data(path: Path) -> bool:
    # An interrupted Keras can leave an empty folder.
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def _download(remote: Remote, folder: Path, data_dir: Path | None) -> Path:
    """Download a file into a folder, where it appears once its checksum is right."""
    import pooch

    pooch.get_logger().setLevel("ERROR")
    cache = pooch.create(
        path=folder,
        base_url="",
        registry={remote.saved_as: remote.sha256},
        urls={remote.saved_as: remote.url},
        retry_if_failed=TRIES - 1,
    )
    try:
        return Path(cache.fetch(remote.saved_as, downloader=_save))
    except (OSError, ValueError) as error:  # What requests raises are OSErrors.
        searched = f"{data_dir} does not hold it and " if data_dir else ""
        files = f"{remote.file} or {remote.other}"
        proxy = " through the proxy that https_proxy names" if getproxies().get("https") else ""
        raise RdfiaError(
            f"{remote.file} is needed but {searched}it could not be downloaded from {remote.url}{proxy} to {folder} "
            f"({_reason(error)}); put {files} in a folder and pass `--data-dir FOLDER`, or name that folder in "
            "the environment variable RDFIA_DATA, or use `--dataset digits`, which needs no download"
        ) from error


def _save(url: str, file: str, cache: object) -> None:
    """Write what `url` holds to `file`, which pooch has made."""
    import pooch

    # Pooch makes the file for its owner only, but others may share the cache.
    Path(file).chmod(0o644)
    progress = _Progress(f"Downloading {url.rpartition('/')[2]} ...")
    try:
        pooch.HTTPDownloader(progress, chunk_size=1 << 16, timeout=(CONNECT_SECONDS, READ_SECONDS))(url, file, cache)
    finally:
        if progress.done and sys.stderr.isatty():
            print(file=sys.stderr)


class _Progress:
    """Progress of a download, for pooch: a percentage on a terminal, one line elsewhere."""

    def __init__(self, label: str):
        self.label, self.total, self.done = label, 0, 0

    def update(self, size: int) -> None:
        """Count `size` more bytes; pooch also reports the whole size at the end."""
        if not self.done and not sys.stderr.isatty():
            print(self.label, file=sys.stderr)
        self.done = min(self.done + size, self.total)
        if sys.stderr.isatty() and self.total:
            text = f"\r{self.label} {self.done / self.total:4.0%} of {self.total / 1e6:.1f} MB"
            print(text, end="", file=sys.stderr, flush=True)

    def reset(self) -> None:
        """Ignore that pooch begins again before it reports the whole size."""

    def close(self) -> None:
        """Leave what is shown."""


def _reason(error: BaseException) -> str:
    """Return on one line what the first of a chain of exceptions says."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:300]
