"""The answers of `reference/questions.md`, by question, as HTML."""

import functools
import re
from dataclasses import dataclass

from markdown_it import MarkdownIt

from rdfia_keras.runs.store import REFERENCE_FOLDER

FILE = REFERENCE_FOLDER / "questions.md"


@dataclass(frozen=True)
class Answer:
    """An answer to a question.

    Attributes:
        question: The number: `15`, `T4`, `2.1`.
        html: Paragraphs, lists and tables.
        figures: Keys of the figures that it names.
    """

    question: str
    html: str
    figures: tuple[str, ...]


@functools.cache
def answers() -> dict[str, Answer]:
    """Return every answer, by the question's number."""
    body = re.split(r"^## ", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    by_number = {}
    for part in body[1:]:
        pieces = re.split(r"^\*\*(T?[\d.]+?)\.?\*\*", part, flags=re.MULTILINE)
        for number, text in zip(pieces[1::2], pieces[2::2], strict=True):
            figures = tuple(dict.fromkeys(re.findall(r"rdfia figure (\w+)", text)))
            by_number[number] = Answer(number, to_html(text), figures)
    return by_number


def answers_to(figure: str, questions: tuple[str, ...]) -> list[Answer]:
    """Return the answers for a figure: those to `questions`, then all others that name it."""
    by_number = answers()
    naming = (number for number, answer in by_number.items() if figure in answer.figures)
    return [by_number[number] for number in dict.fromkeys([*questions, *naming]) if number in by_number]


def to_html(text: str) -> str:
    """Return the HTML of that file's Markdown; links, which lead out of the page, keep only their words."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    for token in ("link_open", "link_close"):
        markdown.add_render_rule(token, lambda *_: "")
    return markdown.render(text)
