"""Figures as PNG files: small, reproducible, and marked if they come from a smoke test."""

import io
from pathlib import Path

from matplotlib.figure import Figure

from rdfia_keras.plots.style import RED, TITLE

SMOKE_TEST_MARK = "QUICK: smoke test, not a result"
MAX_BYTES = 150_000
DPIS = (120, 100, 80)


def save(figure: Figure, path: Path, *, smoke_test: bool = False) -> None:
    """Write a figure as PNG of less than `MAX_BYTES` if possible, marked if it comes from a smoke test.

    Equal figures give equal bytes.

    Raises:
        RdfiaError: If the file cannot be written; an earlier file is then intact.
    """
    from rdfia_keras.runs.files import write_atomic

    if smoke_test:
        mark_smoke_test(figure)
    write_atomic(path, png(figure))


def png(figure: Figure) -> bytes:
    """Render as finely as `MAX_BYTES` allows: photographs need a palette, and many of them fewer pixels as well."""
    for dpi in DPIS:
        full = _png(figure, dpi)
        if len(full) < MAX_BYTES:
            return full
        if len(reduced := _with_palette(full, 256)) < MAX_BYTES:
            return reduced
    return _with_palette(full, 64)


def mark_smoke_test(figure: Figure) -> None:
    """Put `SMOKE_TEST_MARK` as a line on top of the title and turn the title red."""
    title = f"{SMOKE_TEST_MARK}\n{figure.get_suptitle()}".rstrip()
    figure.suptitle(title, fontsize=TITLE, fontweight="bold", color=RED, parse_math=False)


def _png(figure: Figure, dpi: int) -> bytes:
    """Render a figure as PNG at `dpi` pixels an inch."""
    data = io.BytesIO()
    # Without metadata: matplotlib would name its version, and a date would make every file differ.
    figure.savefig(data, format="png", dpi=dpi, metadata={"Software": None})
    return data.getvalue()


def _with_palette(png: bytes, colours: int) -> bytes:
    """Reduce a PNG to a palette of this many colours."""
    from PIL import Image

    data = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(colours).save(data, format="png")
    return data.getvalue()
