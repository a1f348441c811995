"""A headless Chromium for the pages: Debian's, driven by Playwright. Where one is missing, these tests skip."""

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


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
    """A function that opens a file without network; at the end there must be no error and no request besides."""
    contexts, faults = [], []

    def open_file(path, hash="", width=1280, height=900, **more):
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on(
            "console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request", lambda request: None if request.url.startswith(path.as_uri()) else faults.append(request.url)
        )
        page.goto(path.as_uri() + hash)
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert faults == []
