"""Replays from the dashboard: what would be sent is counted first, then begun, watched and stopped."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from results.core.figures import KST
from results.core.replay import Wish
from results.endpoints import create_endpoint, pause_endpoint, ping, resume_endpoint
from results.models import Delivery, Endpoint, Replay
from results.replay import begin_replay
from results.views.dashboard.settings.replay_form import WRITTEN
from tenants.models import AuditEntry
from tenants.routing import inside
from tests.dashboard.settings_stage import endpoint_of, member, page, text_of
from tests.factories import Cast

Work = Callable[..., None]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def developer(bakery: Cast) -> Iterator[Client]:
    with member(bakery.merchant, "developer") as client:
        yield client


@pytest.fixture
def viewer(bakery: Cast) -> Iterator[Client]:
    with member(bakery.merchant, "viewer") as client:
        yield client


def said(**more: str) -> dict[str, str]:
    """Return what the form says by itself: all that was missed since yesterday."""
    since = datetime.now(UTC) - timedelta(days=1)
    return {"what": "missed", "since": f"{since.astimezone(KST):{WRITTEN}}"} | more


def paid(cast: Cast, order: str, run_worker: Work) -> None:
    imp_uid = cast.opens_window(order)
    cast.portone.approve(imp_uid)
    cast.is_called_about(imp_uid, order)
    run_worker()


def pause(cast: Cast) -> None:
    with inside(cast.merchant.schema_name):
        pause_endpoint(cast.route, endpoint_of(cast).id, actor="tests", at=datetime.now(UTC))


def resume(cast: Cast, *, with_backlog: bool = False) -> None:
    at = datetime.now(UTC)
    with inside(cast.merchant.schema_name):
        resume_endpoint(cast.route, endpoint_of(cast).id, with_backlog=with_backlog, actor="tests", at=at)


@pytest.fixture
def missed(bakery: Cast, run_worker: Work) -> Cast:
    """A bakery whose server was away while two orders were paid, and was taken back without them."""
    pause(bakery)
    for order in ("order-1", "order-2"):
        paid(bakery, order, run_worker)
    resume(bakery)
    return bakery


def count(client: Client, cast: Cast, **more: str) -> str:
    return text_of(client.get(f"{page(cast, 'replay_new')}?{urlencode(said(**more))}"))


def test_counting_sends_nothing(missed: Cast, developer: Client) -> None:
    """Before anything is sent it is counted, event by event and endpoint by endpoint, and nothing changes."""
    text = count(developer, missed)

    assert "2 events" in text
    assert "Send these 2 again" in text
    assert missed.rows(Replay) == []
    assert missed.told() == []


def test_what_was_missed_is_sent_and_watched(missed: Cast, developer: Client, do_jobs: Work, run_worker: Work) -> None:
    """A replay begins with a click, its page moves until all is taken, and the shop hears each event once."""
    begun = developer.post(page(missed, "replay_new"), said())
    before = text_of(developer.get(begun["Location"]))
    do_jobs()
    sending = text_of(developer.get(begun["Location"], headers={"HX-Request": "true"}))
    run_worker()
    part = text_of(developer.get(begun["Location"], headers={"HX-Request": "true"}))
    listed = text_of(developer.get(page(missed, "replays")))

    assert 'data-refresh="2"' in before
    assert "Being worked out" in before
    assert ("Being sent" in sending, 'data-refresh="2"' in sending) == (True, True)
    assert "<html" not in part
    assert "data-refresh" not in part
    assert '<dd class="num" data-fresh="told">2</dd>' in part
    assert missed.told() == ["payment.paid", "payment.paid"]
    assert "2 / 2" in listed
    [entry] = AuditEntry.objects.filter(action="replay.begun")
    assert entry.actor == "developer@people.bakery.example"


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"order": "order-2"}, 1),
        ({"order": "order-9"}, 0),
        ({"type": "payment.paid"}, 2),
        ({"type": "payment.review.*"}, 0),
        ({"what": "given_up"}, 2),
        ({"what": "delivered"}, 0),
        ({"what": "all"}, 2),
        ({"until": "2026-01-01T00:00", "since": "2025-12-01T00:00"}, 0),
    ],
)
def test_each_filter_narrows(missed: Cast, developer: Client, more: dict[str, str], found: int) -> None:
    """What, whose order, which events and when: each leaves out what it does not mean."""
    text = count(developer, missed, **more)

    words = {0: "Nothing: see whether", 1: "Send this 1 again", 2: "Send these 2 again"}
    assert words[found] in text


def test_one_endpoint_alone_can_be_meant(missed: Cast, developer: Client) -> None:
    """An endpoint that was made later hears what it missed, too, and can be meant alone."""
    with inside(missed.merchant.schema_name):
        later, _ = create_endpoint(missed.route, url="https://later.example.com/", actor="tests", at=datetime.now(UTC))

    everybody = count(developer, missed)
    form = text_of(developer.get(page(missed, "endpoint", later.id)))
    address = form.partition('href="/dashboard/')[2] and form.partition("replays/new/?endpoint=")[2].partition('"')[0]
    alone = count(developer, missed, endpoint=address)

    assert "Send these 4 again" in everybody
    assert "Send these 2 again" in alone


def test_who_does_not_listen_is_said_before(missed: Cast, developer: Client) -> None:
    """Of an endpoint that is paused it is said that its share waits."""
    pause(missed)

    assert "It is paused: they wait until it is resumed." in count(developer, missed)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"since": ""}, "Say from when on, or which order"),
        ({"since": "2999-01-01T00:00"}, "has not come yet"),
        ({"since": "soon"}, "Choose a day and a time."),
        ({"since": "2026-11-02T00:00", "until": "2026-11-01T00:00"}, "later than the beginning"),
        ({"what": ""}, "Choose what is to be sent again."),
        ({"order": "x" * 41}, "at most 40 characters"),
        ({"order": "a\nb"}, "without control characters"),
        ({"type": "endpoint.ping"}, "not one of the available choices"),
        ({"endpoint": "end_x"}, "not one of the available choices"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_slip_is_said_at_its_field(
    missed: Cast, developer: Client, method: str, more: dict[str, str], words: str
) -> None:
    """What cannot be meant is said with the mend; what was typed stays, and nothing begins."""
    given = said(**more)

    answer = getattr(developer, method)(page(missed, "replay_new"), given)

    assert answer.status_code == 422
    assert words in text_of(answer)
    assert missed.rows(Replay) == []


def test_what_is_typed_is_no_markup(missed: Cast, developer: Client) -> None:
    """An order number is text, on the form and in the list."""
    answer = count(developer, missed, order=HOSTILE)
    with inside(missed.merchant.schema_name):
        begin_replay(missed.route, Wish(order=HOSTILE), actor="<i>", at=datetime.now(UTC))

    texts = answer + text_of(developer.get(page(missed, "replays")))

    assert "<script>alert" not in texts
    assert "<i>" not in texts
    assert "&lt;script&gt;alert" in texts


def test_a_replay_is_stopped(missed: Cast, developer: Client, do_jobs: Work, run_worker: Work) -> None:
    """Stopped before a worker came to it, nothing of it is sent, and its page says so."""
    address = developer.post(page(missed, "replay_new"), said())["Location"]
    [replay] = missed.rows(Replay)

    developer.post(page(missed, "replay_cancel", replay.id))
    do_jobs()
    run_worker()
    text = text_of(developer.get(address))

    assert missed.told() == []
    assert "Stopped" in text
    assert "Stop it" not in text
    assert {row.given_up_at is None for row in missed.rows(Delivery)} == {False}
    assert AuditEntry.objects.filter(action="replay.cancelled").count() == 1


def test_what_is_done_cannot_be_stopped(missed: Cast, developer: Client, do_jobs: Work, run_worker: Work) -> None:
    """Of a replay that is done there is no button, and whoever asks all the same is told that nothing is left."""
    address = developer.post(page(missed, "replay_new"), said())["Location"]
    do_jobs()
    run_worker()
    [replay] = missed.rows(Replay)

    text = text_of(developer.get(address))
    answer = developer.post(page(missed, "replay_cancel", replay.id), follow=True)

    assert "Stop it" not in text
    assert "There is nothing left of it to stop." in text_of(answer)


def test_a_ping_is_never_sent_again(bakery: Cast, developer: Client, run_worker: Work) -> None:
    """A test was for one moment."""
    with inside(bakery.merchant.schema_name):
        ping(bakery.route, endpoint_of(bakery).id, at=datetime.now(UTC))
    run_worker()

    assert "Nothing: see whether" in count(developer, bakery, what="all")


def pages_of(cast: Cast, replay: Any) -> tuple[list[str], list[str]]:
    """Return the addresses that are read, and those that only a developer opens."""
    return [page(cast, "replays"), page(cast, "replay", replay)], [page(cast, "replay_new")]


def test_a_viewer_watches_and_changes_nothing(missed: Cast, viewer: Client) -> None:
    """Who only looks sees how far a replay is, finds no button, and is refused what would begin or stop one."""
    with inside(missed.merchant.schema_name):
        replay = begin_replay(missed.route, Wish(order="order-1"), actor="tests", at=datetime.now(UTC))
    read, change = pages_of(missed, replay.id)

    seen = [viewer.get(address) for address in read]
    refused = [viewer.get(change[0]), viewer.post(change[0], said())]
    refused.append(viewer.post(page(missed, "replay_cancel", replay.id)))

    assert {answer.status_code for answer in seen} == {200}
    assert not [answer for answer in seen if 'type="submit"' in text_of(answer).partition("<main")[2]]
    assert {answer.status_code for answer in refused} == {403}
    assert [row.state for row in missed.rows(Replay)] == ["running"]


def test_a_stranger_finds_no_replay(missed: Cast, florist: Cast, test_bakery: Cast, developer: Client) -> None:
    """The florist's member gets 404 everywhere, and the other mode does not know the replay."""
    with inside(missed.merchant.schema_name):
        replay = begin_replay(missed.route, Wish(order="order-1"), actor="tests", at=datetime.now(UTC))
    read, change = pages_of(missed, replay.id)
    cancel = page(missed, "replay_cancel", replay.id)

    with member(florist.merchant, "owner") as stranger:
        answers = [stranger.get(address) for address in read + change]
        answers += [stranger.post(change[0], said()), stranger.post(cancel)]
    answers += [developer.get(page(test_bakery, "replay", replay.id)), developer.get(page(missed, "replay", uuid4()))]
    answers += [developer.post(page(test_bakery, "replay_cancel", replay.id))]

    assert {answer.status_code for answer in answers} == {404}


def test_the_list_asks_as_often_for_many_as_for_one(missed: Cast, viewer: Client) -> None:
    """The number of queries does not grow with the number of replays."""

    def begin() -> None:
        with inside(missed.merchant.schema_name):
            wish = Wish(order="order-1", endpoint=Endpoint.objects.get().id)
            begin_replay(missed.route, wish, actor="tests", at=datetime.now(UTC))

    begin()
    viewer.get(page(missed, "replays"))
    with CaptureQueriesContext(connection) as few:
        viewer.get(page(missed, "replays"))
    for _ in range(4):
        begin()

    with CaptureQueriesContext(connection) as many:
        viewer.get(page(missed, "replays"))

    assert len(many) == len(few)
