"""Files that are whole or absent, whatever happens while they are written."""

import hashlib
import json
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from rdfia_keras.config import Config, label, named_files
from rdfia_keras.errors import RdfiaError


def write_atomic(path: Path, data: bytes, keep: Path | None = None) -> None:
    """Write `data` beside `path`, flush it to the disk, read it back, and only then put it in place.

    Whatever goes wrong, and whenever the process dies, `path` holds either its old content or all of the new one.

    Args:
        path: The file to write; its folder exists.
        data: The whole content.
        keep: The path for the old content of `path`, as a fallback; None to replace it.

    Raises:
        RdfiaError: If the disk is full, the folder read-only, or the content does not read back as written.
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
    """Return JSON text, with NaN and infinities as null: other languages' parsers refuse them."""
    return json.dumps(finite(value), indent=2, ensure_ascii=False) + "\n"


def finite(value: object) -> Any:
    """Convert a value for JSON: NaN and infinities, which it does not have, to None, and paths to texts."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def file_digests(config: Config) -> dict[str, str]:
    """Return the first 16 hexadecimal digits of the SHA-256 of each file that a config names, by setting.

    Raises:
        RdfiaError: If one cannot be read.
    """
    digests = {}
    for name, path in named_files(config).items():
        try:
            digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        except OSError as error:
            raise RdfiaError(f"cannot read {path}: {error.strerror}; correct {label(config, name)}") from error
    return digests


def make_folder(folder: Path) -> Path:
    """Make a folder, if need be, and return it.

    Raises:
        RdfiaError: If it cannot be made or written.
    """
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise RdfiaError(f"--out {folder} cannot be a folder: {path} is a file")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RdfiaError(f"cannot make the folder {folder}: {error.strerror}; choose another --out") from error
    if not os.access(folder, os.W_OK):
        raise RdfiaError(f"cannot write into {folder}; choose another --out")
    return folder
