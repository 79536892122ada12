"""How long the dashboard's pages take in this process, without a web server, and how many queries each asks."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import quantiles
from typing import Any

from django.db import connection
from django.test import Client
from django.urls import reverse

from tenants.models import Membership, Merchant, User
from tests.bench.figures import Figure
from tests.bench.world import Stall

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@dataclass(frozen=True, slots=True)
class Page:
    """One page as its reader has it: milliseconds in which 95 of 100 views came, by rounds, and its queries."""

    p95: Figure
    queries: Figure


def look(shops: Mapping[str, Stall], *, rounds: int, views: int = 40) -> dict[str, list[Page]]:
    """Let a member of each merchant look at the same pages, in turns; return these by what the merchant is called."""
    looked: dict[str, list[Page]] = {}
    visits: list[tuple[Client, str, Page]] = []
    for when, stall in shops.items():
        client, route = sign_in(stall), stall.route
        for name in ("home", "payments"):
            address = reverse(name, kwargs={"merchant": route.merchant_id, "mode": route.mode})
            asked = Figure(f"queries of {name}", [len(list_queries(client, address))], unit="queries")
            page = Page(Figure(f"p95 of {name}, {when}", unit="ms"), asked)
            looked.setdefault(when, []).append(page)
            visits.append((client, address, page))
    for _ in range(rounds):
        taken = [[view(client, address) for client, address, _ in visits] for _ in range(views)]
        for (_, _, page), times in zip(visits, zip(*taken, strict=True), strict=True):
            page.p95.rates.append(quantiles(times, n=20)[-1])
    return looked


def sign_in(stall: Stall) -> Client:
    """Return the browser of a new member of a merchant."""
    at = datetime.now(UTC)
    person = User.objects.create_user(f"viewer-{at.timestamp()}@shops.example", created_at=at)
    merchant = Merchant.objects.get(id=stall.route.merchant_id)
    Membership.objects.create(merchant=merchant, user=person, role=Membership.Role.OWNER, created_at=at)
    client = Client()
    client.force_login(person, backend=BACKEND)
    return client


def view(client: Client, address: str) -> float:
    """Return how many milliseconds one view takes."""
    began = time.perf_counter()
    response = client.get(address)
    took = (time.perf_counter() - began) * 1000
    if response.status_code != 200:
        raise RuntimeError(f"{address} answered {response.status_code}")
    return took


def list_queries(client: Client, address: str) -> list[str]:
    """Return what one view asks the database, after one that warmed the process."""
    asked: list[str] = []

    def note(execute: Any, statement: Any, *rest: Any) -> Any:
        asked.append(str(statement))
        return execute(statement, *rest)

    view(client, address)
    with connection.execute_wrapper(note):
        view(client, address)
    return asked
