"""Who stands before the settings: members with a role, signed in, and whether they have confirmed who they are."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import Client
from django.urls import reverse

from results.models import Endpoint
from tenants.models import Membership, Merchant, User
from tenants.routing import inside
from tests.factories import Cast

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
PASSWORD = "correct horse battery staple"


@contextmanager
def member(merchant: Merchant, role: str, *, confirmed: bool = True) -> Iterator[Client]:
    """Sign a new member of a merchant in; they are gone afterwards."""
    person = User.objects.create_user(f"{role}@people.{merchant.name}.example", created_at=datetime.now(UTC))
    person.password = PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1)
    person.save()
    Membership.objects.create(merchant=merchant, user=person, role=role, created_at=datetime.now(UTC))
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(person, backend=BACKEND)
    if confirmed:
        confirm(client)
    yield client
    person.delete()


def confirm(client: Client, *, ago: float = 0) -> None:
    """Let them have given their password so many seconds ago."""
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time() - ago, "reauthenticated": True}
    ]
    session["account_authentication_methods_user"] = session["_auth_user_id"]
    session.save()


def page(cast: Cast, name: str, *words: Any, mode: str = "") -> str:
    return reverse(name, args=[cast.merchant.id, mode or cast.mode, *words])


def endpoint_of(cast: Cast) -> Endpoint:
    with inside(cast.merchant.schema_name):
        return Endpoint.objects.filter(mode=cast.mode).order_by("id")[0]


def text_of(response: Any) -> str:
    return str(response.content.decode())
