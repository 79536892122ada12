"""A merchant's server in front of our API, over real HTTP, with a key that may do what the story needs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tenants.keys import make_api_key
from tenants.models import ApiKey
from tenants.scopes import SCOPES
from tests.factories import Cast


@dataclass(slots=True)
class Server:
    """One merchant's server: what it sends carries its key."""

    cast: Cast
    key: str = field(repr=False)

    @property
    def row(self) -> ApiKey:
        return ApiKey.objects.get(prefix=self.key.rpartition("_")[0])

    def asks(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        """Send a request below /api/v1; `If_Match="…"` is the header If-Match."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Authorization"] = f"Bearer {self.key}"
        address = f"{self.cast.web}/api/v1{path}"
        return httpx.request(method, address, json=body, headers=named, trust_env=False, timeout=60)

    def gets(self, path: str, **query: Any) -> dict[str, Any]:
        """Return what is there; whatever else is answered fails the test."""
        answer = self.asks("GET", f"{path}?{httpx.QueryParams(query)}" if query else path)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document


Serves = Callable[..., Server]


@pytest.fixture
def serves(database: Any) -> Serves:
    """Give a merchant's server a key with all scopes, or with those that are named."""

    def make(cast: Cast, *scopes: str, expires_at: datetime | None = None) -> Server:
        _row, key = make_api_key(
            cast.merchant,
            cast.mode,
            name="a server",
            actor="test",
            at=datetime(2026, 1, 1, tzinfo=UTC),
            scopes=scopes or tuple(SCOPES),
            expires_at=expires_at,
        )
        return Server(cast, key)

    return make


@pytest.fixture
def server(bakery: Cast, serves: Serves) -> Server:
    """The bakery's server, which may do everything."""
    return serves(bakery)
