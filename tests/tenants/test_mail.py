"""Letters to a merchant's people: owed with the rows of what they tell of, sent by a job."""

import json
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from tenants.jobs import WAITS, enqueue, wait_before
from tenants.mail import STEP, Letter, MailServerUnavailable, compose, send_letter, write_to_members, write_to_owners
from tenants.models import Membership, Merchant, User
from tenants.routing import inside
from tests.postbox import Postbox

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def baker(database: dict[str, Merchant]) -> Merchant:
    return database["bakery"]


@pytest.fixture
def second_owner(baker: Merchant) -> Iterator[Membership]:
    user = User.objects.create_user("second@bakery.example", created_at=NOON)
    yield Membership.objects.create(merchant=baker, user=user, role=Membership.Role.OWNER, created_at=NOON)
    user.delete()


def warn(merchant: Merchant) -> None:
    write_to_owners(Letter.CREDENTIALS_INVALID, merchant=merchant.id, mode="live", at=NOON)


def jobs() -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT entrypoint, status::text, attempts, payload, execute_after - now() FROM public.pgqueuer")
        return [
            {"name": name, "status": status, "tries": tries, "payload": json.loads(bytes(payload)), "wait": wait}
            for name, status, tries, payload, wait in cursor.fetchall()
        ]


def test_a_letter_is_sent_once(baker: Merchant, postbox: Postbox, do_jobs: Callable[[], None]) -> None:
    """What was committed is sent once, to the merchant's owner."""
    with transaction.atomic():
        warn(baker)

    do_jobs()
    do_jobs()

    assert [letter["To"] for letter in postbox.letters] == ["owner@bakery.example"]
    assert jobs() == []


def test_what_rolls_back_is_not_written(baker: Merchant, postbox: Postbox, do_jobs: Callable[[], None]) -> None:
    """A letter that was owed in a transaction which rolled back is never sent."""
    with transaction.atomic():
        warn(baker)
        transaction.set_rollback(True)

    do_jobs()

    assert postbox.letters == []


def test_inside_a_merchants_schema_the_queue_is_the_public_one(baker: Merchant, postbox: Postbox) -> None:
    """Whatever the search path is, a job reaches the queue."""
    with inside(baker.schema_name), transaction.atomic():
        warn(baker)

    assert [job["name"] for job in jobs()] == [STEP]


def test_a_job_holds_ids_only(baker: Merchant) -> None:
    """The queue's table holds no address and no name: those are looked up when the letter is sent."""
    warn(baker)

    [job] = jobs()
    membership = Membership.objects.get(merchant=baker)
    assert job["payload"].keys() == {"id", "letter", "membership", "mode", "at"}
    assert job["payload"]["membership"] == str(membership.id)
    assert "@" not in json.dumps(job["payload"])


def test_a_mail_server_that_is_down_is_tried_again(
    baker: Merchant, postbox: Postbox, do_jobs: Callable[[], None], make_due: Callable[[], None]
) -> None:
    """A letter that the server refused twice is sent at the third try."""
    warn(baker)
    postbox.refusals = 2

    do_jobs()
    assert [(job["status"], job["tries"]) for job in jobs()] == [("queued", 1)]
    make_due()
    do_jobs()
    assert [(job["tries"], job["wait"] > timedelta(seconds=20)) for job in jobs()] == [(2, True)]
    make_due()
    do_jobs()

    assert [len(postbox.letters), jobs()] == [1, []]


def test_the_waits_grow_and_last_for_more_than_a_day() -> None:
    """A job is tried again with growing waits, for about three days."""
    assert list(WAITS) == sorted(WAITS)
    assert timedelta(days=2) < sum(WAITS, timedelta()) < timedelta(days=4)
    assert wait_before(0) == WAITS[0]
    assert wait_before(len(WAITS)) is None


def test_a_letter_that_fails_to_the_last_is_held(
    baker: Merchant, postbox: Postbox, do_jobs: Callable[[], None]
) -> None:
    """When every try failed, the job stays in the queue for a person to look at."""
    warn(baker)
    postbox.refusals = 1
    with connection.cursor() as cursor:
        cursor.execute("UPDATE public.pgqueuer SET attempts = %s", [len(WAITS)])

    do_jobs()

    assert [job["status"] for job in jobs()] == ["failed"]


def test_what_the_server_said_is_not_kept(baker: Merchant, postbox: Postbox, do_jobs: Callable[[], None]) -> None:
    """A server's refusal may repeat the address, so neither log nor queue repeats the refusal."""
    warn(baker)
    [job] = jobs()
    postbox.refusals = 2

    with pytest.raises(MailServerUnavailable) as refusal:
        send_letter(**job["payload"])
    do_jobs()

    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(traceback::text, '') FROM public.pgqueuer_log")
        kept = cursor.fetchone()[0]
    logged = "".join(traceback.format_exception(refusal.value))
    assert "MailServerUnavailable" in kept
    assert "SMTPRecipientsRefused" in logged
    assert "@bakery" not in kept + logged


def test_each_owner_gets_a_letter_of_their_own(
    baker: Merchant, second_owner: Membership, postbox: Postbox, do_jobs: Callable[[], None]
) -> None:
    """No owner sees the address of another, and one broken mailbox holds up no other."""
    warn(baker)
    postbox.refusals = 1

    do_jobs()

    assert len(postbox.letters) == 1
    assert [job["tries"] for job in jobs()] == [1]


def test_whoever_owns_no_more_gets_nothing(
    baker: Merchant, second_owner: Membership, postbox: Postbox, do_jobs: Callable[[], None]
) -> None:
    """Who left, or is an owner no more, is not written to, though the letter was owed before."""
    warn(baker)
    Membership.objects.filter(id=second_owner.id).update(role=Membership.Role.VIEWER)

    do_jobs()

    assert [letter["To"] for letter in postbox.letters] == ["owner@bakery.example"]
    assert jobs() == []


def test_members_who_own_nothing_are_not_written_to(baker: Merchant, second_owner: Membership) -> None:
    """Letters go to owners; the florist's owner hears nothing of the bakery."""
    Membership.objects.filter(id=second_owner.id).update(role=Membership.Role.ADMIN)

    warn(baker)

    owner = Membership.objects.get(merchant=baker, role=Membership.Role.OWNER)
    assert [job["payload"]["membership"] for job in jobs()] == [str(owner.id)]


def test_of_a_silent_server_every_member_hears(
    baker: Merchant, second_owner: Membership, postbox: Postbox, do_jobs: Callable[[], None]
) -> None:
    """Whoever may look after the shop's server is written to, whatever their role; the florist's people are not."""
    Membership.objects.filter(id=second_owner.id).update(role=Membership.Role.VIEWER)

    write_to_members(Letter.ENDPOINT_FAILING, merchant=baker.id, mode="live", subject="shop.example.com", at=NOON)
    do_jobs()

    assert sorted(letter["To"] for letter in postbox.letters) == ["owner@bakery.example", "second@bakery.example"]
    assert all("shop.example.com" in str(letter["Subject"]) for letter in postbox.letters)


def test_who_left_hears_of_no_server(
    baker: Merchant, second_owner: Membership, postbox: Postbox, do_jobs: Callable[[], None]
) -> None:
    """A member who left after a letter was owed is not written to."""
    write_to_members(Letter.ENDPOINT_DISABLED, merchant=baker.id, mode="live", subject="shop.example.com", at=NOON)
    User.objects.filter(id=second_owner.user_id).update(is_active=False)

    do_jobs()

    assert [letter["To"] for letter in postbox.letters] == ["owner@bakery.example"]


@pytest.mark.parametrize("letter", [letter for letter in Letter if letter.startswith("endpoint_")])
@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_letter_about_a_server_names_it(letter: Letter, language: str) -> None:
    """What is told about an endpoint names its host."""
    _, body = compose(letter, Merchant(name="bakery", language=language), mode="live", at=NOON, subject="shop.example")

    assert "shop.example" in body


def test_a_fault_in_a_step_is_tried_again(baker: Merchant, do_jobs: Callable[[], None]) -> None:
    """A fault of ours loses no job and ends no worker, and the queue keeps none of its words."""
    warn(baker)
    payload = jobs()[0]["payload"] | {"at": "soon"}
    with connection.cursor() as cursor:
        cursor.execute("UPDATE public.pgqueuer SET payload = %s", [json.dumps(payload).encode()])

    do_jobs()

    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(traceback::text, '') FROM public.pgqueuer_log")
        kept = cursor.fetchone()[0]
    assert [(job["status"], job["tries"]) for job in jobs()] == [("queued", 1)]
    assert "ValueError" in kept
    assert "soon" not in kept


@pytest.mark.parametrize("letter", Letter)
@pytest.mark.parametrize("mode", ["live", "test"])
@pytest.mark.parametrize("language", ["ko", "en", ""])
def test_letters_are_plain_and_whole(letter: Letter, mode: str, language: str) -> None:
    """In each language a letter names the merchant as it is written, and its moment in KST; no markup, no gap."""
    merchant = Merchant(name='Tom & Ann\n"Bakery"', language=language)

    title, body = compose(letter, merchant, mode=mode, at=NOON, subject="shop.example.com:8443")

    assert 'Tom & Ann "Bakery"' in title
    assert "\n" not in title
    assert "2026-11-21 21:00 KST" in body
    assert not {"{", "}", "&quot;", "None"} & set(body.split())
    assert ("안녕하세요" in body) == (language != "en")
    assert ("Hello" in body) == (language != "ko")
    if language == "":
        assert body.index("안녕하세요") < body.index("Hello")


def test_a_letter_sent_twice_can_be_known_again(baker: Merchant, postbox: Postbox, do_jobs: Callable[[], None]) -> None:
    """A worker that died between sending and noting it sends again, under the same Message-ID."""
    warn(baker)
    [job] = jobs()
    enqueue(STEP, job["payload"])

    do_jobs()

    first, second = postbox.letters
    assert first["Message-ID"] == second["Message-ID"]
    assert job["payload"]["id"] in first["Message-ID"]
