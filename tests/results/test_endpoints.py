"""Endpoints: who changed what, what waits while one rests, which secrets sign, and what a ping says."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import transaction

from deploy.demo.mischief import Fault
from results.backlog import lock
from results.core.headers import BadHeaders
from results.core.ids import encode
from results.core.replay import Wish
from results.core.subscription import BadSubscription
from results.deliver import open_headers, open_secrets
from results.endpoints import (
    MOST_ENDPOINTS,
    MOST_SECRETS,
    PINGS_AT_MOST,
    BadCallbackUrl,
    BadDescription,
    BadRotation,
    NoSuchEndpoint,
    NothingToResume,
    TooManyEndpoints,
    TooManyPings,
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    pause_endpoint,
    ping,
    resume_endpoint,
    rotate_secret,
)
from results.figures import read_figures, read_listeners
from results.gauges import read_deliveries
from results.health import Outcome, note
from results.management.endpoint_table import facts_of_all
from results.models import Attempt, Delivery, Endpoint, EndpointSecret
from results.recover import give_up_for_deleted
from results.seek import find_endpoints
from results.steps import read_progress
from results.views.dashboard.settings.facts import show_all
from tenants.models import AuditEntry, Duty, Membership
from tenants.routing import inside
from tests.factories import Cast
from tests.flow.virtual_endpoint import OK, Line
from tests.postbox import Postbox

Work = Callable[..., None]
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRIVATE = "path-that-nobody-guesses"


def endpoint_of(cast: Cast) -> Endpoint:
    with inside(cast.merchant.schema_name):
        return Endpoint.objects.get(mode=cast.mode)


def within(cast: Cast, step: Callable[..., Any], *values: Any, **named: Any) -> Any:
    """Do something to the merchant's one endpoint, as `tests`."""
    actor = {} if step is ping else {"actor": "tests"}
    id_ = endpoint_of(cast).id
    with inside(cast.merchant.schema_name):
        return step(cast.route, id_, *values, **{"at": NOON} | actor | named)


def update(cast: Cast, **columns: object) -> None:
    with inside(cast.merchant.schema_name):
        Endpoint.objects.update(**columns)


def audited(action: str) -> list[dict[str, Any]]:
    return [entry.detail for entry in AuditEntry.objects.filter(action=f"endpoint.{action}", actor="tests")]


def pays(cast: Cast, order: str) -> None:
    imp_uid = cast.opens_window(order)
    cast.portone.approve(imp_uid, webhook=False)
    cast.is_called_about(imp_uid, order)


def undelivered(cast: Cast) -> int:
    return sum(row.delivered_at is None and row.given_up_at is None for row in cast.rows(Delivery))


# Made and changed


def test_a_new_endpoint_has_what_was_given(bakery: Cast) -> None:
    """Description, events and headers are kept, the headers sealed; who made it is written down without its path."""
    headers = {"Authorization": "Bearer not-a-secret"}
    with inside(bakery.merchant.schema_name):
        made, _ = create_endpoint(
            bakery.route,
            url=f"http://127.0.0.1:8200/{PRIVATE}",
            actor="tests",
            at=NOON,
            events=["payment.*"],
            description=" warehouse ",
            headers=headers,
        )
        kept = Endpoint.objects.get(id=made.id)

    sealed = bytes(kept.headers or b"")
    assert (kept.events, kept.description) == (["payment.*"], "warehouse")
    assert open_headers(sealed, bakery.route.open_vault(), row=kept.id) == headers
    assert b"not-a-secret" not in sealed
    assert audited("created")[-1] == {"mode": "live", "host": "127.0.0.1:8200"}
    assert AuditEntry.objects.filter(action="endpoint.created", subject=encode("end", made.id)).exists()


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"url": "https://169.254.169.254/"}, BadCallbackUrl),
        ({"events": ["payment.payed"]}, BadSubscription),
        ({"description": "x" * 121}, BadDescription),
        ({"description": "two\nlines"}, BadDescription),
        ({"headers": {"webhook-id": "evt_1"}}, BadHeaders),
    ],
)
def test_what_is_refused_changes_nothing(bakery: Cast, given: dict[str, Any], refusal: type[Exception]) -> None:
    """One wrong value refuses the whole change, and a new endpoint."""
    before = endpoint_of(bakery)

    with pytest.raises(refusal):
        within(bakery, change_endpoint, **{"description": "new", "events": ["*"]} | given)
    with pytest.raises(refusal), inside(bakery.merchant.schema_name):
        create_endpoint(bakery.route, **{"url": before.url, "actor": "tests", "at": NOON} | given)

    after = endpoint_of(bakery)
    assert (after.url, after.events, after.description) == (before.url, before.events, before.description)


def test_only_what_is_given_changes(bakery: Cast) -> None:
    """What is left out stays; what was changed is named in the audit, never shown."""
    within(bakery, change_endpoint, headers={"x-key": "not-a-secret"}, description="warehouse")
    within(bakery, change_endpoint, events=["payment.paid"])
    within(bakery, change_endpoint, events=["payment.paid"], description="warehouse")

    endpoint = endpoint_of(bakery)
    assert (endpoint.events, endpoint.description, bool(endpoint.headers)) == (["payment.paid"], "warehouse", True)
    assert [detail["changed"] for detail in audited("changed")] == [["description", "headers"], ["events"]]
    assert "not-a-secret" not in str(audited("changed"))


def test_no_headers_are_kept_as_none(bakery: Cast) -> None:
    """An empty set of headers takes away those that were there."""
    within(bakery, change_endpoint, headers={"x-key": "not-a-secret"})

    within(bakery, change_endpoint, headers={})

    assert endpoint_of(bakery).headers is None


def test_another_url_is_written_down_and_told_to_the_owners(
    bakery: Cast, postbox: Postbox, do_jobs: Callable[[], None]
) -> None:
    """Audit and letter name the old host and the new one, and never the path."""
    port = endpoint_of(bakery).url.split(":")[2].split("/")[0]

    within(bakery, change_endpoint, url=f"http://localhost:8200/{PRIVATE}")
    do_jobs()

    owners = Membership.objects.filter(merchant=bakery.merchant, role="owner").values_list("user__email", flat=True)
    [letter] = postbox.letters
    assert audited("url_changed") == [{"mode": "live", "old_host": f"127.0.0.1:{port}", "new_host": "localhost:8200"}]
    assert [letter["To"]] == list(owners)
    assert f"127.0.0.1:{port} → localhost:8200" in letter.get_content()
    assert PRIVATE not in letter.as_string() + str(list(AuditEntry.objects.values()))


def test_the_same_url_again_is_no_change(bakery: Cast, postbox: Postbox, do_jobs: Callable[[], None]) -> None:
    """Whoever saves a form without a change writes to nobody."""
    within(bakery, change_endpoint, url=endpoint_of(bakery).url)
    do_jobs()

    assert (audited("url_changed"), postbox.letters) == ([], [])


def test_another_server_answers_for_itself_alone(bakery: Cast) -> None:
    """A new URL forgets the failures of the old one; an endpoint that is only probed is probed there at once."""
    week_ago = NOON - timedelta(days=4)
    update(bakery, failures=30, failing_since=week_ago, warned_at=week_ago, opened_at=week_ago, probes=9)

    within(bakery, change_endpoint, url="http://localhost:8200/callback")

    endpoint = endpoint_of(bakery)
    assert (endpoint.failures, endpoint.failing_since, endpoint.warned_at, endpoint.probes) == (0, None, None, 0)
    assert endpoint.opened_at == week_ago
    assert list(Duty.objects.filter(lane=endpoint.id).values_list("kind", "due_at")) == [("probe", NOON)]


def test_what_is_paused_stays_so_at_another_url(bakery: Cast) -> None:
    """A change of URL neither resumes nor enables, and probes nothing that rests."""
    update(bakery, paused_at=NOON, disabled_at=NOON, disabled_because="gone", opened_at=NOON)

    within(bakery, change_endpoint, url="http://localhost:8200/callback")

    endpoint = endpoint_of(bakery)
    assert (endpoint.paused_at, endpoint.disabled_at, endpoint.disabled_because) == (NOON, NOON, "gone")
    assert not Duty.objects.filter(lane=endpoint.id).exists()


@pytest.mark.parametrize("step", [change_endpoint, pause_endpoint, resume_endpoint, rotate_secret, ping])
def test_an_endpoint_of_the_other_mode_is_not_there(bakery: Cast, test_bakery: Cast, step: Any) -> None:
    """What belongs to test mode cannot be reached from live mode, nor an endpoint that never was."""
    more = {resume_endpoint: {"with_backlog": True}, rotate_secret: {"overlap": HOUR}}.get(step, {})
    actor = {} if step is ping else {"actor": "tests"}

    for unknown in (endpoint_of(test_bakery).id, uuid4()):
        with inside(bakery.merchant.schema_name), pytest.raises(NoSuchEndpoint):
            step(bakery.route, unknown, at=NOON, **more, **actor)


# Paused and resumed


def test_what_is_told_to_a_paused_endpoint_waits(bakery: Cast, run_worker: Work) -> None:
    """A paused endpoint hears nothing, what is told is kept for it, and resuming it with its backlog sends it."""
    within(bakery, pause_endpoint)
    pays(bakery, "order-1")
    run_worker()
    waited = (bakery.told(), undelivered(bakery))

    owed = within(bakery, resume_endpoint, with_backlog=True)
    run_worker()

    assert waited == ([], 1)
    assert owed == 1
    assert bakery.told() == ["payment.paid"]
    assert [audited("paused"), audited("resumed")] == [
        [{"mode": "live"}],
        [{"mode": "live", "backlog": 1, "given_up": 0}],
    ]


def test_without_its_backlog_an_endpoint_hears_only_news(bakery: Cast, run_worker: Work) -> None:
    """What was told while it rested is given up, for a replay; what comes afterwards is sent."""
    within(bakery, pause_endpoint)
    pays(bakery, "order-1")
    run_worker()

    owed = within(bakery, resume_endpoint, with_backlog=False)
    pays(bakery, "order-2")
    run_worker()

    assert owed == 0
    assert [event["data"]["order"]["id"] for event in bakery.events()] == ["order-2"]
    assert [bool(one.given_up_at) for one in bakery.rows(Delivery)] == [True, False]


def test_what_waited_for_another_try_joins_the_backlog(
    bakery: Cast, run_worker: Work, make_due: Callable[[], None]
) -> None:
    """While an endpoint rests not even an old retry is sent, nor when it comes back without its backlog."""
    bakery.shop.faults.add(Fault(kind="status", status=500, times=1))
    pays(bakery, "order-1")
    run_worker(until=lambda: len(bakery.rows(Attempt)) == 1)
    lane = endpoint_of(bakery).id

    within(bakery, pause_endpoint)
    left = Duty.objects.filter(lane=lane).count()
    within(bakery, resume_endpoint, with_backlog=False)
    make_due()
    run_worker()

    assert left == 0
    assert (len(bakery.rows(Attempt)), undelivered(bakery)) == (1, 0)


@pytest.mark.parametrize(
    ("before", "outcome"),
    [
        ({"failures": 9}, {"heard": False}),
        ({"opened_at": NOON}, {"heard": False, "probe": True}),
        ({"opened_at": NOON}, {"heard": True, "probe": True}),
        ({"opened_at": NOON}, {"heard": True, "test": True}),
    ],
    ids=["opens", "stays open", "closes", "ping"],
)
def test_what_ends_while_an_endpoint_rests_owes_it_nothing(
    bakery: Cast, before: dict[str, Any], outcome: dict[str, Any]
) -> None:
    """A request that was under way when the endpoint was paused, or a ping since, brings neither probe nor backlog."""
    Line(bakery, lambda outgoing, at: OK).publish("order-1")
    within(bakery, pause_endpoint)
    update(bakery, failing_since=NOON, **before)
    ended = Outcome(
        **{"endpoint": endpoint_of(bakery).id, "gone": False, "probe": False, "test": False, "jitter": 0} | outcome
    )

    with inside(bakery.merchant.schema_name), transaction.atomic():
        note(bakery.route, lock([ended.endpoint]), [ended], at=NOON)

    assert undelivered(bakery) == 1
    assert not Duty.objects.filter(lane=ended.endpoint).exists()


def test_a_disabled_endpoint_begins_anew(bakery: Cast) -> None:
    """Resuming clears why it was disabled and all that was held against it."""
    old = NOON - timedelta(days=6)
    update(
        bakery,
        paused_at=old,
        disabled_at=old,
        disabled_because="failing",
        failures=99,
        failing_since=old,
        warned_at=old,
        opened_at=old,
        probes=7,
    )

    within(bakery, resume_endpoint, with_backlog=True)

    endpoint = endpoint_of(bakery)
    assert endpoint.listens
    assert (endpoint.disabled_because, endpoint.failures, endpoint.probes) == ("", 0, 0)
    assert (endpoint.failing_since, endpoint.warned_at) == (None, None)


def test_pausing_twice_is_pausing_once(bakery: Cast) -> None:
    """The second time changes and writes down nothing."""
    within(bakery, pause_endpoint)
    within(bakery, pause_endpoint, at=NOON + HOUR)

    assert endpoint_of(bakery).paused_at == NOON
    assert len(audited("paused")) == 1


def test_who_listens_is_not_resumed(bakery: Cast) -> None:
    """Resuming what never rested says so, and owes nothing anew."""
    with pytest.raises(NothingToResume, match="replay"):
        within(bakery, resume_endpoint, with_backlog=True)

    assert audited("resumed") == []


# Secrets


def live(cast: Cast, at: datetime) -> set[str]:
    """Return the secrets that sign at a moment, as they were shown."""
    id_ = endpoint_of(cast).id
    with inside(cast.merchant.schema_name):
        return {secret.to_text() for secret in open_secrets(cast.route, {id_}, at=at)[id_]}


def test_old_secrets_sign_along_until_the_overlap_ends(bakery: Cast) -> None:
    """Both sign during the overlap and the new one alone afterwards."""
    before = live(bakery, NOON)

    new = within(bakery, rotate_secret, overlap=24 * HOUR).to_text()

    assert live(bakery, NOON + 23 * HOUR) == {new} | before
    assert live(bakery, NOON + 24 * HOUR) == {new}
    assert audited("secret_rotated") == [{"mode": "live", "overlap_seconds": 86400}]


def test_no_secret_retires_later_than_it_was_to(bakery: Cast) -> None:
    """A longer overlap of a later rotation does not prolong an older secret; a shorter one shortens it."""
    first = live(bakery, NOON)
    second = within(bakery, rotate_secret, overlap=2 * HOUR).to_text()

    third = within(bakery, rotate_secret, overlap=24 * HOUR).to_text()
    long = live(bakery, NOON + 3 * HOUR)
    fourth = within(bakery, rotate_secret, overlap=HOUR).to_text()

    assert first <= live(bakery, NOON)
    assert long == {second, third}
    assert live(bakery, NOON + HOUR) == {fourth}


def test_a_leaked_secret_ends_at_once(bakery: Cast) -> None:
    """Without an overlap only the new secret signs, and the row of the old one is gone."""
    new = within(bakery, rotate_secret, overlap=timedelta(0)).to_text()

    assert live(bakery, NOON) == {new}
    assert len(bakery.rows(EndpointSecret)) == 1


@pytest.mark.parametrize("overlap", [-HOUR, timedelta(days=7, seconds=1)])
def test_an_overlap_lasts_seven_days_at_most(bakery: Cast, overlap: timedelta) -> None:
    """Longer or negative overlaps are refused, and the secrets stay."""
    before = live(bakery, NOON)

    with pytest.raises(BadRotation, match="0 to 7 days"):
        within(bakery, rotate_secret, overlap=overlap)

    assert live(bakery, NOON) == before


def test_ten_secrets_sign_at_most(bakery: Cast) -> None:
    """An eleventh is refused while ten sign, unless the others end at once."""
    for _ in range(MOST_SECRETS - 1):
        within(bakery, rotate_secret, overlap=24 * HOUR)
    ten = live(bakery, NOON)

    with pytest.raises(BadRotation, match="10 secrets sign already"):
        within(bakery, rotate_secret, overlap=24 * HOUR)
    refused = live(bakery, NOON)
    last = within(bakery, rotate_secret, overlap=timedelta(0)).to_text()

    assert (len(ten), refused) == (MOST_SECRETS, ten)
    assert live(bakery, NOON) == {last}


# Pings


@pytest.mark.parametrize("resting", [None, "paused_at", "disabled_at"])
def test_a_ping_goes_the_whole_way(bakery: Cast, run_worker: Work, resting: str | None) -> None:
    """A ping is signed with the real secret and names the endpoint; one that rests hears it too, and rests on."""
    update(bakery, events=["payment.paid"], **{resting: NOON} if resting else {})

    within(bakery, ping)
    run_worker()

    [event] = bakery.events()
    endpoint = endpoint_of(bakery)
    told = event["data"]["endpoint"]
    assert (event["type"], event["sequence"], event["livemode"]) == ("endpoint.ping", None, True)
    assert (told["id"], told["host"]) == (encode("end", endpoint.id), endpoint.url.split("/")[2])
    assert [attempt.trigger for attempt in bakery.rows(Attempt)] == ["test"]
    assert resting is None or getattr(endpoint, resting) == NOON


def test_an_endpoint_is_not_tested_without_end(bakery: Cast) -> None:
    """Whoever signs up may name any server: ten tests a minute, then none for a minute."""
    now = datetime.now(UTC)
    for _ in range(PINGS_AT_MOST):
        within(bakery, ping, at=now)

    with pytest.raises(TooManyPings):
        within(bakery, ping, at=now)
    within(bakery, ping, at=now + timedelta(seconds=61))

    assert len(bakery.rows(Delivery)) == PINGS_AT_MOST + 1


def test_a_ping_is_for_one_endpoint(bakery: Cast, run_worker: Work) -> None:
    """An endpoint beside it, which subscribes to pings, hears nothing of another's."""
    first = endpoint_of(bakery)
    with inside(bakery.merchant.schema_name):
        create_endpoint(bakery.route, url=first.url, actor="tests", at=NOON, events=["endpoint.*"])
        ping(bakery.route, first.id, at=NOON)
    run_worker()

    assert [delivery.endpoint_id for delivery in bakery.rows(Delivery)] == [first.id]


def test_a_ping_that_fails_is_tried_once(bakery: Cast, run_worker: Work, make_due: Callable[[], None]) -> None:
    """A ping answers now or not at all, and is not held against the endpoint."""
    bakery.shop.faults.add(Fault(kind="status", status=500))

    within(bakery, ping)
    run_worker()
    make_due()
    run_worker()

    assert [attempt.status for attempt in bakery.rows(Attempt)] == [500]
    assert [delivery.given_up_at is None for delivery in bakery.rows(Delivery)] == [False]
    assert endpoint_of(bakery).failures == 0


def test_fixed_headers_are_sent(bakery: Cast, run_worker: Work) -> None:
    """What the merchant adds comes with every callback, beside our own headers."""
    within(bakery, change_endpoint, headers={"Authorization": "Bearer not-a-secret", "X-Tenant": "bakery"})

    within(bakery, ping)
    run_worker()

    [received] = bakery.shop.received()
    assert received.verified
    assert (received.headers["authorization"], received.headers["x-tenant"]) == ("Bearer not-a-secret", "bakery")


def test_a_mode_has_twenty_endpoints_at_the_most(bakery: Cast) -> None:
    """Each event is written down for each endpoint, so their number has an end, which is said."""
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.bulk_create(
            Endpoint(mode=bakery.mode, url=f"https://shop{number}.example.com/", created_at=NOON)
            for number in range(MOST_ENDPOINTS - 1)
        )

    with inside(bakery.merchant.schema_name), pytest.raises(TooManyEndpoints, match="20 endpoints already"):
        create_endpoint(bakery.route, url="https://one.example.com/", actor="tests", at=NOON)


# Deleted


def delete(cast: Cast) -> Endpoint:
    id_ = endpoint_of(cast).id
    within(cast, delete_endpoint)
    with inside(cast.merchant.schema_name):
        return Endpoint.ever.get(id=id_)


def test_a_deleted_endpoint_hears_nothing_more(bakery: Cast, run_worker: Work) -> None:
    """What is told afterwards is not owed to it, and nothing that was owed is sent."""
    pays(bakery, "order-1")
    within(bakery, pause_endpoint)
    run_worker()
    within(bakery, ping)
    delete(bakery)
    pays(bakery, "order-2")
    run_worker()

    assert bakery.told() == []
    assert [row.given_up_at for row in bakery.rows(Delivery)] == [NOON, NOON]
    assert not Duty.objects.filter(kind__in=["deliver", "redeliver", "probe"]).exists()


def test_what_was_heard_stays_in_the_ledger(bakery: Cast, run_worker: Work) -> None:
    """Deliveries, attempts and the story of a payment are there after its endpoint was deleted."""
    pays(bakery, "order-1")
    run_worker()
    host = delete(bakery).url.split("/")[2]

    assert [row.delivered_at is not None for row in bakery.rows(Delivery)] == [True]
    assert len(bakery.rows(Attempt)) == 1
    out = StringIO()
    call_command("explain", "order-1", stdout=out)
    assert host in out.getvalue()


def test_a_deleted_endpoints_secrets_are_gone(bakery: Cast) -> None:
    """Signing secrets and fixed headers are removed; the audit names the host and never the path."""
    within(bakery, change_endpoint, headers={"x-key": "not-a-secret"}, url=f"http://localhost:8200/{PRIVATE}")

    assert delete(bakery).headers is None

    assert bakery.rows(EndpointSecret) == []
    assert audited("deleted") == [{"mode": "live", "host": "localhost:8200", "given_up": 0}]


def test_the_owners_are_told_of_a_deletion(bakery: Cast, postbox: Postbox, do_jobs: Callable[[], None]) -> None:
    """A shop that hears nothing any more must not come as a surprise."""
    delete(bakery)
    do_jobs()

    [letter] = postbox.letters
    assert ("삭제" in letter["Subject"], "127.0.0.1" in letter.get_content()) == (True, True)


def test_a_deleted_endpoint_is_nowhere(bakery: Cast, florist: Cast) -> None:
    """Lists, figures and the terminal pass it over, though it was failing and disabled when it was deleted."""
    update(bakery, failing_since=NOON, opened_at=NOON, disabled_at=NOON, disabled_because="failing")
    deleted = delete(bakery)
    out = StringIO()
    call_command("endpoint", "list", "--json", stdout=out)

    with inside(bakery.merchant.schema_name):
        assert (facts_of_all(bakery.route, at=NOON), show_all(bakery.route)) == ([], [])
        assert list(read_listeners(bakery.mode)) == []
        assert find_endpoints(bakery.mode, Wish(endpoint=deleted.id)) == []
        assert list(read_progress(bakery.route).endpoints) == []
    assert [facts["endpoint"] for facts in json.loads(out.getvalue())] == [encode("end", endpoint_of(florist).id)]
    [troubles] = [metric for metric in read_deliveries() if metric.name == "paywitness_endpoints"]
    assert [sample.value for sample in troubles.samples] == [0, 0, 0]


@pytest.mark.parametrize("step", [change_endpoint, pause_endpoint, resume_endpoint, rotate_secret, ping])
def test_nothing_is_done_to_a_deleted_endpoint(bakery: Cast, step: Any) -> None:
    """Whatever is asked of it: there is no such endpoint, and it cannot be deleted twice."""
    more = {resume_endpoint: {"with_backlog": True}, rotate_secret: {"overlap": HOUR}}.get(step, {})
    deleted = delete(bakery)

    for deed, named in ((step, more), (delete_endpoint, {})):
        actor = {} if deed is ping else {"actor": "tests"}
        with pytest.raises(NoSuchEndpoint), inside(bakery.merchant.schema_name):
            deed(bakery.route, deleted.id, at=NOON, **actor, **named)


def test_what_was_under_way_says_nothing_of_a_deleted_endpoint(bakery: Cast) -> None:
    """An attempt that ends after the deletion neither disables it, nor probes it, nor writes to anybody."""
    deleted = delete(bakery)
    outcome = Outcome(endpoint=deleted.id, heard=False, gone=True, probe=False, test=False, jitter=0)

    with inside(bakery.merchant.schema_name), transaction.atomic():
        note(bakery.route, lock([deleted.id]), [outcome], at=NOON)

    with inside(bakery.merchant.schema_name):
        assert Endpoint.ever.get(id=deleted.id).disabled_at is None
    assert not Duty.objects.filter(lane=deleted.id).exists()


def test_a_deletion_makes_room(bakery: Cast) -> None:
    """A deleted endpoint is none of the most that a mode may have."""
    with inside(bakery.merchant.schema_name):
        for _number in range(MOST_ENDPOINTS - 1):
            create_endpoint(bakery.route, url="https://shop.example.com/", actor="tests", at=NOON)
        with pytest.raises(TooManyEndpoints):
            create_endpoint(bakery.route, url="https://shop.example.com/", actor="tests", at=NOON)
        first = Endpoint.objects.order_by("id")[0]
        delete_endpoint(bakery.route, first.id, actor="tests", at=NOON)

        create_endpoint(bakery.route, url="https://shop.example.com/", actor="tests", at=NOON)
        assert Endpoint.objects.count() == MOST_ENDPOINTS


def test_what_was_published_meanwhile_is_given_up_later(bakery: Cast, run_worker: Work) -> None:
    """News that were being written while their endpoint was deleted are owed for ever by nobody."""
    pays(bakery, "order-1")
    run_worker()
    delete(bakery)
    with inside(bakery.merchant.schema_name):
        Delivery.objects.update(delivered_at=None, given_up_at=None)

        assert (give_up_for_deleted(at=NOON), give_up_for_deleted(at=NOON)) == (1, 0)

    assert undelivered(bakery) == 0


def test_what_a_deletion_gave_up_is_no_trouble(bakery: Cast, run_worker: Work) -> None:
    """Home counts neither as given up nor as slow what somebody chose not to hear."""
    within(bakery, pause_endpoint)
    pays(bakery, "order-1")
    run_worker()
    within(bakery, delete_endpoint, at=datetime.now(UTC))

    with inside(bakery.merchant.schema_name):
        figures = read_figures(bakery.route, at=datetime.now(UTC))

    assert (figures.given_up, figures.told) == (0, None)


def test_fixed_headers_do_not_go_along_to_another_host(bakery: Cast) -> None:
    """What is shown to nobody is not read by pointing the endpoint elsewhere; on the same host it stays."""
    within(bakery, change_endpoint, headers={"Authorization": "Bearer not-a-secret"})
    host = endpoint_of(bakery).url.split("/")[2]

    within(bakery, change_endpoint, url=f"http://{host}/elsewhere")
    kept = endpoint_of(bakery).headers
    within(bakery, change_endpoint, url="http://localhost:8200/callback")

    assert kept
    assert endpoint_of(bakery).headers is None
    assert audited("changed")[-1]["changed"] == ["headers"]
