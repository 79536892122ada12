"""The people of stories about the dashboard: signed in, with an address they have confirmed; gone afterwards."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client

from tenants.models import Invitation, Membership, Merchant, User
from tests.tenants.conftest import newcomers_leave

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PASSWORD = "a loaf of rye 7"
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
People = Callable[..., "Person"]


class Person(Client):
    """A person and the browser they sit at."""

    user: User

    @property
    def email(self) -> str:
        return self.user.email

    def signs_in(self) -> "Person":
        self.force_login(self.user, backend=BACKEND)
        return self

    def joins(self, merchant: Merchant, role: str) -> "Person":
        Membership.objects.create(merchant=merchant, user=self.user, role=role, created_at=NOON)
        return self


@pytest.fixture
def people(database: Any) -> Iterator[People]:
    """Make people: `people("mina", bakery, "viewer")` is signed in and a member; everything goes again afterwards."""

    def make(name: str, merchant: Merchant | None = None, role: str = "owner") -> Person:
        person = Person()
        person.user = User.objects.create_user(f"{name}@people.example", PASSWORD, created_at=NOON)
        EmailAddress.objects.create(user=person.user, email=person.email, verified=True, primary=True)
        return (person.joins(merchant, role) if merchant else person).signs_in()

    cache.clear()
    with newcomers_leave():
        yield make
    Invitation.objects.all().delete()
    Session.objects.all().delete()
    cache.clear()
