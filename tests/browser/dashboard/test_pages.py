"""Every page of people's, in a real browser: fit for everyone, in both languages, both themes and every width."""

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any, Final
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from config.converters import EndpointId, EventId, PaymentId, ReplayId
from results.core.replay import Wish
from results.models import Endpoint, Event, Payment, Replay
from results.replay import begin_replay
from tenants.routing import inside
from tests.browser.dashboard.conftest import Visitor
from tests.factories import Cast

Work = Callable[..., None]
Visits = Callable[..., Visitor]
PLACE: Final = {"merchant", "mode"}
OBJECTS: Final[dict[type, type[Any]]] = {PaymentId: Payment, EndpointId: Endpoint, EventId: Event, ReplayId: Replay}
LOOKS = list(product(("phone", "desktop"), ("ko", "en"), ("light", "dark")))
# Each size, language and theme meets each other once; with SCREENS there is a picture of everything.
SOME = [("phone", "ko", "light"), ("phone", "en", "dark"), ("desktop", "ko", "dark"), ("desktop", "en", "light")]
DOORS = ("account_login", "account_signup", "account_reset_password", "guide")
OWN = ("account_email", "account_change_password", "mfa_index", "usersessions_list", "account_logout", "dashboard")


def members_pages(
    patterns: Iterable[URLPattern | URLResolver], above: dict[str, Any]
) -> Iterator[tuple[str, set[Any]]]:
    """Find every named page below a merchant and a mode, with the words that its address needs besides."""
    for pattern in patterns:
        words = above | pattern.pattern.converters
        if isinstance(pattern, URLResolver):
            yield from members_pages(pattern.url_patterns, words)
        elif pattern.name and set(words) >= PLACE:
            yield pattern.name, {(name, type(words[name])) for name in words if name not in PLACE}


def addresses(cast: Cast) -> dict[str, str]:
    """Return the address of each of the merchant's pages for which there is something to show."""
    found: dict[str, str] = {}
    for name, words in members_pages(get_resolver().url_patterns, {}):
        with inside(cast.merchant.schema_name):
            rows = {word: OBJECTS[kind].objects.order_by("id").first() for word, kind in words if kind in OBJECTS}
        if len(rows) == len(words) and all(rows.values()):
            ids: dict[str, UUID] = {word: row.id for word, row in rows.items()}
            found[name] = reverse(name, kwargs={"merchant": cast.merchant.id, "mode": cast.mode} | ids)
    return found


def is_whole_page(client: Client, path: str) -> bool:
    """Say whether an address can be opened and shows a page, not a part of one or a file; a fault of ours fails."""
    answer = client.get(path, follow=True)
    assert answer.status_code < 500, path
    return answer.status_code == 200 and not answer.streaming and b"<!doctype html>" in answer.content[:64].lower()


@pytest.fixture
def busy_bakery(bakery: Cast, run_worker: Work) -> Cast:
    """A bakery with a payment that is done, one that waits for a deposit, one that nobody finished, and a replay."""
    for order, method in (("order-1042", "card"), ("order-1041", "vbank"), ("order-1040", "card")):
        imp_uid = bakery.opens_window(order, pay_method=method)
        if order == "order-1042":
            bakery.portone.approve(imp_uid)
        if order == "order-1041":
            bakery.portone.issue_account(imp_uid)
        bakery.lands(imp_uid=imp_uid, merchant_uid=order, imp_success="true")
    run_worker()
    with inside(bakery.merchant.schema_name):
        begin_replay(bakery.route, Wish(order="order-1042"), actor="owner@bakery.example", at=datetime.now(UTC))
    return bakery


@pytest.mark.parametrize(("size", "language", "theme"), LOOKS if "SCREENS" in os.environ else SOME)
def test_pages_of_members_are_fit_for_everyone(
    busy_bakery: Cast, people: Any, visits: Visits, size: str, language: str, theme: str
) -> None:
    """No page has a serious fault by axe-core, is wider than a phone, or breaks its policy."""
    visitor = visits(people(busy_bakery.merchant), size=size, language=language, theme=theme)
    faults = {}

    for name, path in addresses(busy_bakery).items():
        if is_whole_page(visitor.client, path):
            visitor.opens(path)
            faults[name] = visitor.finds_faults()
            visitor.takes_picture(name)

    assert "home" in faults
    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.parametrize(("size", "language", "theme"), LOOKS if "SCREENS" in os.environ else SOME)
def test_pages_around_them_are_fit_for_everyone(
    bakery: Cast, people: Any, visits: Visits, size: str, language: str, theme: str
) -> None:
    """The same holds for the pages before signing in, of one's own account, and of errors."""
    stranger = visits(size=size, language=language, theme=theme)
    member = visits(people(bakery.merchant), size=size, language=language, theme=theme)
    alone = visits(people(), size=size, language=language, theme=theme)
    opened = [(stranger, name, reverse(name)) for name in DOORS]
    opened += [(member, name, reverse(name)) for name in OWN[:-1]]
    opened += [(alone, "no_shop", reverse("dashboard")), (member, "not_found", "/dashboard/nothing")]
    faults = {}

    for visitor, name, path in opened:
        visitor.opens(path)
        faults[name] = visitor.finds_faults()
        visitor.takes_picture(name)

    assert {name: found for name, found in faults.items() if found} == {}
