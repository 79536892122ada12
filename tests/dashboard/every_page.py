"""Every page that a person can open: the members', one's own account's, those before signing in, the customer's."""

from collections.abc import Callable
from typing import Final

from django.test import Client
from django.urls import reverse

from tests.browser.dashboard.test_pages import DOORS, OWN, addresses
from tests.factories import Cast

NEWCOMERS: Final = ("new_merchant",)
CUSTOMERS: Final = {  # how a customer's browser comes back, by what its page then shows
    "paid": ("order-1", "card", "approve"),
    "awaiting_deposit": ("order-2", "vbank", "issue_account"),
    "review": ("order-3", "card", "approve"),
    "confirming": ("order-4", "card", ""),
}


def customers(bakery: Cast, run_worker: Callable[..., None]) -> dict[str, str]:
    """Let customers pay, or not, and come back; the paths of their pages."""
    bakery.expects("order-3", amount=100)
    paths = {}
    for state, (order, method, deed) in CUSTOMERS.items():
        imp_uid = bakery.opens_window(order, pay_method=method)
        if deed:
            getattr(bakery.portone, deed)(imp_uid)
        landing = bakery.lands(imp_uid=imp_uid, merchant_uid=order, imp_success="true")
        paths[state] = landing.headers["location"].removeprefix(bakery.web)
    run_worker()
    return paths


def every_page(
    bakery: Cast, member: Client, stranger: Client, results: dict[str, str], language: str
) -> dict[str, str]:
    """Open every page in a language: its text, by its name. What shows no page of its own is left out."""
    for client in (member, stranger):
        client.defaults["HTTP_ACCEPT_LANGUAGE"] = language
    paths = {name: (member, path) for name, path in addresses(bakery).items()}
    paths |= {name: (member, reverse(name)) for name in (*OWN[:-1], *NEWCOMERS)}
    paths |= {name: (stranger, reverse(name)) for name in DOORS}
    paths |= {"not_found": (member, "/dashboard/nothing"), "nothing": (stranger, "/nothing")}
    paths |= {f"result_{state}": (stranger, f"{path}?lang={language}") for state, path in results.items()}
    found = {name: whole_page(client, path) for name, (client, path) in paths.items()}
    return {name: text for name, text in found.items() if text}


def whole_page(client: Client, path: str) -> str:
    """Return a page's text; nothing for a part of one, a file, or an address that only takes forms."""
    answer = client.get(path, follow=True)
    assert answer.status_code < 500, path
    if answer.streaming or answer.status_code == 405:
        return ""
    text = str(answer.content.decode())
    return text if text[:64].lstrip().lower().startswith("<!doctype html>") else ""
