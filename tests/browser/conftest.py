"""The browser of every test in this folder: the system's Chromium, which speaks to nobody but the test."""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file, from CHROMIUM or the path; without one they fail.

    Not for the whole run: while it is open its loop counts as running, and asynchronous tests could not run theirs.
    """
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.fail("this needs Chromium: apt-get install chromium, or name one in CHROMIUM")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A fresh tab of a phone's size, without cookies or anything else of an earlier test."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="ko-KR")
    yield context.new_page()
    context.close()


@pytest.fixture
def run_worker(run_worker: Callable[..., None]) -> Iterator[Callable[..., None]]:
    """Let the worker run in a thread of its own: in the test's, Playwright's loop is running."""
    with ThreadPoolExecutor(1) as thread:
        yield lambda *words, **named: thread.submit(run_worker, *words, **named).result()
