"""Making a merchant from the dashboard: rows at once, the schema by a job, and a page that shows how far it is."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.urls import reverse

from tenants.models import AuditEntry, Membership, Merchant
from tests.people import BACKEND, People, Person

Do = Callable[[], None]


def make(person: Person, **chosen: str) -> Merchant:
    person.post("/dashboard/new/", {"name": "Mina's tea", "language": "ko"} | chosen)
    return Membership.objects.get(user=person.user).merchant


def home(merchant: Merchant) -> str:
    return reverse("home", args=[merchant.id, "test"])


def test_a_person_makes_a_merchant(people: People, do_jobs: Do) -> None:
    """Its rows are there at once, its schema comes by a job, and the progress page then leads home."""
    mina = people("mina")
    merchant = make(mina)
    path = reverse("merchant_progress", args=[merchant.id])

    before = mina.get(path)
    part = mina.get(path, headers={"HX-Request": "true"})
    do_jobs()
    after = mina.get(path)
    led = mina.get(path, headers={"HX-Request": "true"})

    merchant.refresh_from_db()
    assert before.status_code == 200
    assert "<html" in before.content.decode()
    assert "<html" not in part.content.decode()
    assert merchant.state == Merchant.State.READY
    assert after.url == led["HX-Redirect"] == home(merchant)
    assert mina.get(home(merchant)).status_code == 200
    assert mina.get("/dashboard/").url == reverse("home", args=[merchant.id, "live"])


def test_who_made_it_owns_it(people: People) -> None:
    """The one who signed in is the owner, and the trail says so."""
    mina = people("mina")

    merchant = make(mina)

    assert Membership.objects.get(merchant=merchant).role == "owner"
    entries = AuditEntry.objects.filter(merchant=merchant).values_list("actor", "action")
    assert list(entries) == [(mina.email, "merchant.registered")]


def test_the_way_in_leads_to_what_there_is(people: People) -> None:
    """Without a merchant the dashboard leads to making one; with an unfinished one, to its progress."""
    mina = people("mina")

    first = mina.get("/dashboard/").url
    merchant = make(mina)
    second = mina.get("/dashboard/").url

    assert first == reverse("new_merchant")
    assert second == reverse("merchant_progress", args=[merchant.id])


def test_a_failure_is_shown_and_tried_again(people: People, do_jobs: Do, make_due: Do) -> None:
    """What went wrong is ours: the page says what happens next, without our words for the fault, and can try again."""
    mina = people("mina")
    merchant = make(mina)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM public.pgqueuer")
    Merchant.objects.filter(id=merchant.id).update(state="failed", fault="OperationalError: <secret host>")
    path = reverse("merchant_progress", args=[merchant.id])

    text = mina.get(path).content.decode()
    mina.post(reverse("merchant_try_again", args=[merchant.id]))
    do_jobs()

    assert str(merchant.id) in text
    assert "secret host" not in text
    assert mina.get(path).url == home(merchant)


@pytest.mark.parametrize("name", ["merchant_progress", "merchant_try_again"])
def test_nobody_else_sees_it_grow(people: People, name: str) -> None:
    """To anybody but its members a merchant in the making is a 404."""
    merchant, rose = make(people("mina")), people("rose")
    path = reverse(name, args=[merchant.id])

    answer = rose.post(path) if name == "merchant_try_again" else rose.get(path)

    assert answer.status_code == 404


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_a_bad_name_is_told_with_its_mend(people: People, name: str) -> None:
    """A name that is missing or too long makes nothing, and the form says what would do."""
    mina = people("mina")

    response = mina.post("/dashboard/new/", {"name": name, "language": ""})

    assert response.status_code == 422
    assert 'class="errors"' in response.content.decode()
    assert not Membership.objects.filter(user=mina.user).exists()


def test_a_hostile_name_is_only_a_name(people: People) -> None:
    """Names are escaped wherever they are shown."""
    mina = people("mina")

    merchant = make(mina, name="<script>alert(1)</script>")

    assert "<script>alert" not in mina.get(reverse("merchant_progress", args=[merchant.id])).content.decode()


def test_nobody_makes_merchants_without_end(people: People, monkeypatch: Any) -> None:
    """Each merchant has a schema of its own, so one person may own twenty."""
    monkeypatch.setattr("tenants.views.new.OWNED_AT_MOST", 1)
    mina = people("mina")
    make(mina)

    again = mina.post("/dashboard/new/", {"name": "One more", "language": ""})

    assert again.status_code == 422
    assert Membership.objects.filter(user=mina.user).count() == 1


@pytest.mark.parametrize("name", ["\u200b", "Bread\u202egnp", "Bread https://evil.example", "www.evil.example"])
def test_a_name_hides_nothing_and_leads_nowhere(people: People, name: str) -> None:
    """A shop's name is the subject of letters to strangers."""
    answer = people("mina").post("/dashboard/new/", {"name": name, "language": ""})

    assert answer.status_code == 422
    assert not Merchant.objects.filter(name=name).exists()


def test_many_at_once_make_no_more(people: People, monkeypatch: Any) -> None:
    """The limit holds for requests that come together, too."""
    monkeypatch.setattr("tenants.views.new.OWNED_AT_MOST", 2)
    mina = people("mina")
    others = []
    for _ in range(6):
        other = Client()
        other.force_login(mina.user, backend=BACKEND)
        others.append(other)

    def ask(numbered: tuple[int, Client]) -> int:
        try:
            return int(numbered[1].post("/dashboard/new/", {"name": f"Shop {numbered[0]}", "language": ""}).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as crowd:
        answers = sorted(crowd.map(ask, enumerate(others)))

    assert answers == [302, 302, 422, 422, 422, 422]


def test_making_one_needs_an_account(people: People) -> None:
    """A stranger is led to the sign-in."""
    assert Client().get("/dashboard/new/").url == "/accounts/login/?next=/dashboard/new/"
