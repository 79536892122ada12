"""The frame of people's pages: where one is, where one may go, and what is said when there is nothing."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tenants.models import Membership, Merchant, User
from tests.factories import Cast

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture
def baker(database: Any) -> Any:
    """Make members of a merchant, signed in; they go with the story."""
    made: list[User] = []

    def make(merchant: Merchant, role: str = "owner") -> Client:
        person = User.objects.create_user(f"{role}@members.example", created_at=datetime.now(UTC))
        made.append(person)
        Membership.objects.create(merchant=merchant, user=person, role=role, created_at=datetime.now(UTC))
        client = Client()
        client.force_login(person, backend=BACKEND)
        return client

    yield make
    for person in made:
        person.delete()


def page(merchant: Merchant, mode: str = "live") -> str:
    return reverse("home", kwargs={"merchant": merchant.id, "mode": mode})


def test_a_page_says_where_one_is(bakery: Cast, baker: Any) -> None:
    """A page names the merchant, marks its entry, and leads to itself in the other mode."""
    client = baker(bakery.merchant)

    drawn = client.get(page(bakery.merchant)).content.decode()

    assert bakery.merchant.name in drawn
    assert 'aria-current="page"' in drawn
    assert f'href="{page(bakery.merchant, "test")}"' in drawn
    assert "band" not in drawn


def test_test_mode_is_said(bakery: Cast, baker: Any) -> None:
    """Every page of the test mode says that no real money moves."""
    drawn = baker(bakery.merchant).get(page(bakery.merchant, "test")).content.decode()

    assert "테스트 모드" in drawn


def test_a_language_is_chosen_once(bakery: Cast, baker: Any) -> None:
    """The chosen language is kept, and one comes back to the page where it was chosen."""
    client, home = baker(bakery.merchant), page(bakery.merchant)

    answer = client.post("/language/", {"language": "en", "next": home})

    assert (answer.status_code, answer["Location"]) == (302, home)
    assert '<html lang="en">' in client.get(home).content.decode()


def test_a_language_leads_nowhere_else(client: Client, database: Any) -> None:
    """The choice of a language is no way to another site."""
    answer = client.post("/language/", {"language": "en", "next": "https://evil.example/"})

    assert answer["Location"] == "/"


def test_errors_of_people_are_in_their_family(bakery: Cast, baker: Any) -> None:
    """A missing page of the dashboard is drawn as its pages are; a customer's stays a customer's."""
    client = baker(bakery.merchant)

    people = client.get(f"{page(bakery.merchant)}nothing/").content.decode()
    customers = client.get("/r-nothing").content.decode()

    assert "app.css" in people
    assert "result/page.css" in customers
