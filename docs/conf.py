"""Settings of the documentation site: `make site` builds it into `docs/_build/`."""

import html
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from rdfia_keras import __version__

project = "rdfia-keras"
release = __version__
copyright = "the rdfia-keras authors"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
nb_execution_mode = "off"
# Cells with shell commands are not Python.
suppress_warnings = ["misc.highlighting_failure"]
exclude_patterns = ["_build", "templates"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

html_theme = "furo"
html_title = "rdfia-keras"
html_show_sphinx = False
# A page on the disk cannot read the others, which the summaries need.
html_show_search_summary = False
html_static_path = ["static"]
html_js_files = ["accessible.js"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = True


ROOT = Path(__file__).resolve().parents[1]
# What is written before each build.
GENERATED = ROOT / "docs" / "generated"
# Pages that stand elsewhere in the repository.
PAGES = {
    "questions": "rdfia_keras/reference/questions.md",
    "contributing": "CONTRIBUTING.md",
    "changelog": "CHANGELOG.md",
}


def write_pages(app: Any) -> None:
    """Copy the pages that stand elsewhere, with links that work here, and write the reference of commands."""
    GENERATED.mkdir(exist_ok=True)
    for name, path in PAGES.items():
        text = re.sub(r"\]\((?:\.\./)*docs/", "](../", (ROOT / path).read_text(encoding="utf-8"))
        if name == "questions":
            text = re.sub(r"\]\((?!https:|#|\.\./)", "](../../rdfia_keras/reference/", text)
        (GENERATED / f"{name}.md").write_text(text, encoding="utf-8")
    program = [sys.executable, "-m", "typer", "rdfia_keras.commands._app"]
    words = [*program, "utils", "docs", "--name", "rdfia", "--title", "Commands"]
    commands = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    (GENERATED / "commands.md").write_text(html.unescape(commands), encoding="utf-8")


def point_to_pages(app: Any, name: str, source: list[str]) -> None:
    """Point links to files that are pages of the site to those pages."""
    for page, path in PAGES.items():
        source[0] = source[0].replace(f"](../{path}", f"](generated/{page}.md")
    source[0] = source[0].replace("](../README.md", "](index.md")


def setup(app: Any) -> None:
    """Have both done before and while the sources are read."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", point_to_pages)
