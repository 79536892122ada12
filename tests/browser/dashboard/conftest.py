"""People in a browser: signed in by their cookie, before our real web side, every complaint of the browser heard."""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage
from playwright.sync_api import Page as Tab

from tenants.fields import new_id
from tenants.models import Membership, Merchant, User

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
SIZES = {"phone": {"width": 360, "height": 780}, "desktop": {"width": 1280, "height": 860}}
AXE = Path(__file__).parents[3] / "config/assets/node_modules/axe-core/axe.min.js"
# What the page's policy forbade is said here, whatever else the console says.
LISTEN = """document.addEventListener("securitypolicyviolation",
  event => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));"""
JUDGE = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
  .filter(fault => ["serious", "critical"].includes(fault.impact))
  .map(fault => fault.id + ": " + fault.nodes.map(node => [node.target, node.any[0]?.message].join(" ")).join(" | "))"""


@dataclass
class Visitor:
    """A person, or nobody yet, with a browser of their own."""

    client: Client
    tab: Tab
    web: str
    look: str
    complaints: list[str] = field(default_factory=list)

    def opens(self, path: str) -> Tab:
        """Go to a page of ours."""
        self.tab.goto(f"{self.web}{path}")
        return self.tab

    def finds_faults(self) -> list[str]:
        """Return what axe-core finds serious on the page, and whether it is wider than the screen."""
        self.tab.evaluate(axe())
        faults: list[str] = self.tab.evaluate(JUDGE)
        wide = self.tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return faults + ([f"wider than the screen by {wide} px"] if wide > 0 else [])

    def takes_picture(self, name: str) -> None:
        """Keep a picture of the whole page below the folder that SCREENS names, if it names one."""
        if folder := os.environ.get("SCREENS"):
            self.tab.screenshot(path=Path(folder) / f"{name}-{self.look}.png", full_page=True)


def axe() -> str:
    if not AXE.exists():
        pytest.fail("this needs axe-core: make assets")
    return AXE.read_text()


@pytest.fixture
def do_jobs(do_jobs: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Let jobs be done in a thread of their own: in the test's, Playwright's loop is running."""
    with ThreadPoolExecutor(1) as thread:
        yield lambda: thread.submit(do_jobs).result()


@pytest.fixture
def people(database: Any) -> Iterator[Callable[..., User]]:
    """Make people who are members of merchants; they go with the story."""
    made: list[User] = []

    def make(*merchants: Merchant, role: str = "owner") -> User:
        person = User.objects.create_user(f"{role}.{len(made)}@members.example", created_at=datetime.now(UTC))
        made.append(person)
        for merchant in merchants:
            row = Membership(id=new_id(), merchant=merchant, user=person, role=role, created_at=datetime.now(UTC))
            row.save()
        return person

    yield make
    for person in made:
        person.delete()


@pytest.fixture
def visits(browser: Browser, web: str) -> Iterator[Callable[..., Visitor]]:
    """Open browsers for people; whatever a browser complained about fails the test."""
    visitors: list[Visitor] = []

    def visit(
        person: User | None = None,
        *,
        size: str = "desktop",
        theme: str = "light",
        language: str = "ko",
        scripts: bool = True,
        site: str = web,
    ) -> Visitor:
        context = browser.new_context(
            viewport=SIZES[size], color_scheme=theme, locale=language, java_script_enabled=scripts
        )
        client = Client(headers={"accept-language": language})
        if person:
            client.force_login(person, backend=BACKEND)
            name = django_settings.SESSION_COOKIE_NAME
            context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": web}])
        if scripts:
            context.add_init_script(LISTEN)
        visitor = Visitor(client, context.new_page(), site, f"{size}-{language}-{theme}")
        hear(visitor)
        visitors.append(visitor)
        return visitor

    yield visit
    for visitor in visitors:
        visitor.tab.context.close()
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []


def hear(visitor: Visitor) -> None:
    """Note errors and warnings of the console; that an error's page is an error is none."""

    def note(message: ConsoleMessage) -> None:
        expected = "Failed to load resource: the server responded with a status of 4" in message.text
        if message.type in ("error", "warning") and not (expected and message.location["url"] == visitor.tab.url):
            visitor.complaints.append(f"{visitor.tab.url}: {message.text}")

    visitor.tab.on("console", note)
    visitor.tab.on("pageerror", lambda error: visitor.complaints.append(str(error)))


@pytest.fixture(scope="session", autouse=True)
def screens() -> None:
    """Begin with an empty folder of pictures."""
    if folder := os.environ.get("SCREENS"):
        shutil.rmtree(folder, ignore_errors=True)
        Path(folder).mkdir(parents=True)
