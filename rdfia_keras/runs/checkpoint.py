"""One file that holds everything a training needs to resume, and that is either whole or not used."""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rdfia_keras.errors import RdfiaError
from rdfia_keras.runs.files import write_atomic

Arrays = dict[str, npt.NDArray[Any]]

# The file: MAGIC, the SHA-256 of the rest (32 bytes), then an uncompressed npz whose `meta` is JSON text.
MAGIC = b"rdfia-checkpoint-2\n"
FOLDER, LAST, PREVIOUS = "checkpoints", "last.ckpt", "previous.ckpt"


def save(path: Path, arrays: Arrays, meta: Mapping[str, Any], keep: Path | None = None) -> None:
    """Write a checkpoint; the old one stays until the new one is whole, and afterwards as `keep`.

    Args:
        path: The checkpoint's file.
        arrays: Arrays by name, of NumPy's own dtypes.
        meta: Values for JSON.
        keep: The path for the old checkpoint; None to replace it.

    Raises:
        RdfiaError: If it cannot be written; the old checkpoint is intact then.
    """
    payload = io.BytesIO()
    named: dict[str, Any] = {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays}
    np.savez(payload, **named)
    data = payload.getvalue()
    write_atomic(path, MAGIC + hashlib.sha256(data).digest() + data, keep=keep)


def load(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays and the meta of a checkpoint.

    Raises:
        RdfiaError: If the file is missing, or differs in a single bit from what was written.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RdfiaError(f"cannot read the checkpoint {path}: {error.strerror}") from error
    digest, data = content[len(MAGIC) :][:32], content[len(MAGIC) + 32 :]
    if not content.startswith(MAGIC) or hashlib.sha256(data).digest() != digest:
        raise RdfiaError(f"the checkpoint {path} is damaged: its content does not match its checksum")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return arrays, dict(json.loads(arrays.pop("meta").tobytes()))
    except Exception as error:  # np.load raises anything on what is no archive of arrays.
        raise RdfiaError(f"the checkpoint {path} is damaged: it holds no training of rdfia") from error


def save_next(folder: Path, arrays: Arrays, meta: Mapping[str, Any]) -> None:
    """Write a run's `checkpoints/last.ckpt`; the one before it stays as `previous.ckpt`.

    Raises:
        RdfiaError: If it cannot be written; both old checkpoints are intact then.
    """
    folder = folder / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RdfiaError(f"cannot make the folder {folder}: {error.strerror}") from error
    save(folder / LAST, arrays, meta, keep=folder / PREVIOUS)


def load_last(folder: Path) -> tuple[Arrays, dict[str, Any]]:
    """Return a run's last whole checkpoint; no arrays and empty meta if it ended before its first one.

    Raises:
        RdfiaError: If there are checkpoints and none of them is whole.
    """
    paths = [folder / FOLDER / name for name in (LAST, PREVIOUS)]
    reasons = []
    for path in filter(Path.exists, paths):
        try:
            return load(path)
        except RdfiaError as error:
            reasons.append(str(error))
    if reasons:
        raise RdfiaError("; ".join(reasons) + "; nothing is left to resume from, so start a new run")
    return {}, {}


@contextmanager
def of_this_run(folder: Path) -> Iterator[None]:
    """Read a checkpoint that is whole, and refuse it if it is not of the training that its run's settings describe.

    Raises:
        RdfiaError: Where the body raises what values of the wrong names, types and shapes raise.
    """
    try:
        yield
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise RdfiaError(
            f"cannot resume {folder}: its checkpoint is of another training than its settings describe; start a new run"
        ) from error


def digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of arrays, by name: equal weights, equal digest."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        sha.update(f"{name}{arrays[name].shape}{arrays[name].dtype}".encode())
        sha.update(np.ascontiguousarray(arrays[name]).tobytes())
    return sha.hexdigest()[:16]
