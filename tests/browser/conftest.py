"""A headless Chromium for the pages: Debian's, driven by Playwright. Where one is missing, these tests skip."""

import shutil
import sys
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


# Where `make browser` puts it.
AXE = Path(sys.prefix) / "axe" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make browser")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: on Debian and Ubuntu, apt install chromium")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """A function that opens a file without network; at the end there must be no error and no request besides.

    A page of a site may load the files of the site, and report what a browser keeps from scripts on the disk.
    """
    contexts, faults = [], []

    def open_file(path, hash="", width=1280, height=900, site=None, **more):
        own = ((site or path).as_uri(), "data:")
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        serious = ("error", "warning") if site is None else ()
        page.on("console", lambda message: faults.append(message.text) if message.type in serious else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(own) else faults.append(request.url))
        page.goto(path.as_uri() + hash)
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def serious_violations():
    """A function that says what axe-core finds serious or critical in a page."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make browser installs it where there is npm")

    def check(page, *rules):
        """By some of its rules only, if any are named."""
        page.evaluate(AXE.read_text(encoding="utf-8"))
        options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
        found = page.evaluate("options => axe.run(document, options)", options)["violations"]
        return [
            (one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    return check
