"""The documentation site in a browser, from the disk: `make site` builds it."""

from pathlib import Path

import pytest

SITE = Path(__file__).resolve().parents[2] / "docs" / "_build" / "html"

pytestmark = pytest.mark.skipif(not (SITE / "index.html").exists(), reason="make site has not built the site")


# The narrow screen is the harder one; the colours are those of one style sheet.
PAGES = [
    (name, 380, "dark") for name in ("index", "tour", "results", "learn", "api", "tutorial", "generated/questions")
]
PAGES += [(name, 1280, "light") for name in ("index", "results")]


@pytest.mark.parametrize(("name", "width", "scheme"), PAGES)
def test_a_page_fits_the_screen_and_has_no_serious_violation(open_page, serious_violations, name, width, scheme):
    page = open_page(SITE / f"{name}.html", width=width, site=SITE, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious_violations(page) == []


def test_the_search_works_from_the_disk(open_page):
    page = open_page(SITE / "search.html", "?q=dropout", site=SITE)
    # The results are added one by one.
    page.wait_for_selector("ul.search li:has-text('The questions, answered and shown')")
