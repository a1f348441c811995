"""Waiting for a page."""

import time


def wait(page, condition):
    """Until a condition in JavaScript holds; Playwright's own would need the page to allow eval."""
    end = time.monotonic() + 60
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(50)
