"""A page as one HTML file: a template with its style and script, and the policy that allows them.

The file makes no request: its Content-Security-Policy names its own scripts and styles by their hashes.
"""

import base64
import hashlib
import json
import posixpath
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

FOLDER = files("rdfia_keras") / "web"
# The characters that end a script or begin a comment in HTML, or end a line in JavaScript but not in JSON.
_ESCAPES = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>&\u2028\u2029"}
_IMPORT = re.compile(r'^import .* from "(.*)";\n', re.MULTILINE)


def render_page(
    template: str, styles: Sequence[str], modules: Sequence[str], library: str = "", **values: object
) -> str:
    """Return a page as text.

    Args:
        template: The template, a file below `web/`. Values are escaped; a value that is missing is an error.
        styles: The style sheets, in order.
        modules: The page's JavaScript modules; the modules that they import come with them.
        library: A JavaScript library, which the policy allows as well.
        **values: The template's values besides `style`, `style_hash`, `script`, `script_hashes` and `library`.
    """
    # Imported here because only pages need them.
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FunctionLoader(read_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = "\n".join(map(read_text, styles)), bundle(modules)
    return environment.get_template(template).render(
        style=Markup(style),
        style_hash=Markup(csp_hash(style)),
        script=Markup(script),
        script_hashes=Markup(" ".join(csp_hash(text) for text in (library, script) if text)),
        library=Markup(library),
        **values,
    )


def read_text(name: str) -> str:
    """Return the text of a file below `web/`."""
    return (FOLDER / name).read_text(encoding="utf-8")


def bundle(modules: Sequence[str]) -> str:
    """Return JavaScript modules and all that they import as one script, each after the modules it uses.

    The modules lose their imports and exports, so no two of them may define the same name.
    """
    texts: dict[str, str] = {}

    def add(name: str) -> None:
        if name not in texts:
            text = read_text(name)
            for path in _IMPORT.findall(text):
                add(posixpath.normpath(posixpath.join(posixpath.dirname(name), path)))
            texts[name] = re.sub(r"^export ", "", _IMPORT.sub("", text), flags=re.MULTILINE)

    for name in modules:
        add(name)
    return "\n".join(texts.values())


def script_json(value: Any) -> str:
    """Return JSON that is safe inside `<script>`: nothing in it ends the element or begins a comment.

    Raises:
        ValueError: If a number is NaN or infinite, which JSON has not; `runs.files.finite` replaces them.
    """
    dumped = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return dumped.translate(_ESCAPES)


def csp_hash(content: str) -> str:
    """Return the hash by which a Content-Security-Policy allows a script or a style of this content."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
