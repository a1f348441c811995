"""One HTML file that needs nothing besides: templates, style and scripts of `rdfia_keras/page/`, and what allows them.

The file makes no request: its Content-Security-Policy names its own scripts and styles by their hashes.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = files("rdfia_keras") / "page"
# Of what ends a script or begins a comment in HTML, and of what ends a line in JavaScript but not in JSON.
_ESCAPES = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}


def text(name: str) -> str:
    """A file of the folder."""
    return (FOLDER / name).read_text(encoding="utf-8")


def templates() -> "Environment":
    """The folder's templates: what they are given is escaped, and a name that they are not given is an error."""
    # Here and not above: only pages need it.
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(text), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def bundle(modules: Iterable[str]) -> str:
    """JavaScript modules as one, in an order in which each uses only those before it.

    They lose their imports and exports, which name each other.
    """
    texts = (text(f"{name}.mjs") for name in modules)
    return "\n".join(re.sub(r"^(import .*\n|export )", "", one, flags=re.MULTILINE) for one in texts)


def script_json(value: Any) -> str:
    """JSON that may stand inside `<script>`: nothing in it ends the element or begins a comment.

    Raises:
        ValueError: On NaN or an infinity, which JSON has not; `runs.files.finite` replaces them.
    """
    dumped = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return dumped.translate(_ESCAPES)


def csp_hash(content: str) -> str:
    """What allows a script or a style of this content in a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
