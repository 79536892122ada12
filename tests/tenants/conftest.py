"""What tests about merchants need besides the cast: newcomers who leave again, and key rings."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from psycopg import sql

from tenants.models import Merchant, User
from tenants.onboarding import register_merchant
from tenants.routing import forget_everything

Register = Callable[..., Merchant]
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@contextmanager
def newcomers_leave() -> Iterator[None]:
    """Whoever comes to be inside is gone afterwards, with schema and owner."""
    merchants, users = (
        list(Merchant.objects.values_list("id", flat=True)),
        list(User.objects.values_list("id", flat=True)),
    )
    yield
    connection.close()
    connection.set_schema_to_public()
    for newcomer in Merchant.objects.exclude(id__in=merchants):
        with connection.cursor() as cursor:
            name = sql.Identifier(newcomer.schema_name)
            cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
        newcomer.delete()
    User.objects.exclude(id__in=users).delete()


@pytest.fixture
def leavers(database: dict[str, Merchant]) -> Iterator[None]:
    """Let newcomers of this test leave again."""
    with newcomers_leave():
        yield


@pytest.fixture
def register(leavers: None) -> Register:
    """Write newcomers down, without a schema yet."""
    return lambda name="baker's apprentice", **more: register_merchant(
        **{"name": name, "owner_email": "owner@newcomer.example", "actor": "tests", "at": NOON} | more
    )


@pytest.fixture
def sealed(database: dict[str, Merchant]) -> Iterator[dict[str, Merchant]]:
    """Bakery and florist, fresh from the database; their wrapped data keys are put back afterwards."""
    wrapped = {merchant.id: bytes(merchant.data_key or b"") for merchant in Merchant.objects.all()}
    yield {name: Merchant.objects.get(id=merchant.id) for name, merchant in database.items()}
    connection.set_schema_to_public()
    for id_, data_key in wrapped.items():
        Merchant.objects.filter(id=id_).update(data_key=data_key)
    forget_everything()


@pytest.fixture
def ring(settings: Any) -> Callable[..., None]:
    """Set SEALING_KEYS by the ids of its keys, newest first. `dev` is the ring that the cast was made with."""
    dev = settings.SEALING_KEYS

    def use(*ids: str) -> None:
        keys = {id_: f"{id_}:{base64.b64encode(id_[0].encode() * 32).decode()}" for id_ in ids} | {"dev": dev}
        settings.SEALING_KEYS = ",".join(keys[id_] for id_ in ids)
        forget_everything()

    return use
