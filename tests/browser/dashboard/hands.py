"""What people do on more than one page: press a form's button, follow a letter's link, say who they are."""

import re
from typing import Any, Final

from playwright.sync_api import Page as Tab

from tests.faults.processes import wait_until
from tests.postbox import Postbox

PASSWORD: Final = "rye bread at dawn 7"
SENT: Final = 30_000  # ms that real processes, or a page that asks by itself, may take for what takes them a second


def button(tab: Tab, name: str) -> Any:
    """Return the button of the form that leads to a page of this name."""
    return tab.locator(f'form[action$="{name}"] button[type=submit], form[action$="{name}"] button:not([type])').first


def link_in(postbox: Postbox, number: int) -> str:
    """Return the link of a letter, once it has come."""
    wait_until(lambda: len(postbox.letters) > number, what=f"letter {number}")
    found = re.search(r"^(https?://\S+)\s*$", postbox.letters[number].get_content(), re.MULTILINE)
    assert found
    return found[1]


def signs_in(tab: Tab, email: str) -> None:
    tab.locator("[name=login]").fill(email)
    tab.locator("[name=password]").fill(PASSWORD)
    tab.locator("[name=password]").press("Enter")


def proves_who_they_are(tab: Tab) -> None:
    """Enter the password once more, before anything secret is shown."""
    tab.wait_for_url("**/accounts/reauthenticate/**")
    assert "whsec_" not in tab.content()
    tab.locator("[name=password]").fill(PASSWORD)
    tab.locator("[name=password]").press("Enter")
