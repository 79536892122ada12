"""What was kept for a while only is forgotten on time, in small batches, and the ledger stays."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from django.db import IntegrityError, connection, transaction
from structlog.testing import CapturingLogger

from results.core.ids import lowest_id
from results.models import Attempt, Delivery, Endpoint, Event, Forgetting, Notification, Order, Payment, Verification
from results.recover import drop_duties_of_closed, owe_missing_deliveries, recover_everywhere
from results.retention import BEFORE_ALL, forget, forget_everywhere, old_ids
from tenants.models import AuditEntry, Duty, Merchant
from tenants.retention import BadRetention, set_retention
from tenants.routing import inside
from tests.factories import Cast, page_of

NOW = datetime.now(UTC)


def aged(days: float) -> UUID:
    """Return an id as a row got it that many days ago."""
    return UUID(int=lowest_id(NOW - timedelta(days=days)).int | random.getrandbits(62))


@pytest.fixture
def baker(database: dict[str, Merchant]) -> Iterator[Merchant]:
    """The bakery; whatever it chooses is put back afterwards."""
    merchant = Merchant.objects.get(id=database["bakery"].id)
    with inside(merchant.schema_name):
        yield merchant
    connection.set_schema_to_public()
    Merchant.objects.filter(id=merchant.id).update(
        keeps_arrivals=30, keeps_replies=30, keeps_attempts=90, closed_at=None
    )


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> CapturingLogger:
    """What is written into the log meanwhile."""
    logger = CapturingLogger()
    for module in ("retention", "recover"):
        monkeypatch.setattr(f"results.{module}.log", logger)
    return logger


def arrival(days: float, **fields: Any) -> Notification:
    at = NOW - timedelta(days=days)
    usual = {"kind": "webhook", "settled_at": at, "raw": b"sealed", "raw_expires_at": at + timedelta(days=30)}
    return Notification.objects.create(id=aged(days), mode="live", received_at=at, claim={}, **usual | fields)


def answer(days: float) -> Verification:
    at = NOW - timedelta(days=days)
    return Verification.objects.create(
        id=aged(days),
        mode="live",
        question="single",
        asked_at=at,
        answered_at=at,
        answer="found",
        raw=b"sealed",
        raw_expires_at=at,
    )


def delivery(days: float = 100, url: str = "https://shop.example/callback", **fields: Any) -> Delivery:
    at = NOW - timedelta(days=days)
    endpoint = Endpoint.objects.create(mode="live", url=url, created_at=at)
    event = Event.objects.create(id=aged(days), mode="live", type="payment.paid", created_at=at, body=b"{}")
    return Delivery.objects.create(id=aged(days), event=event, endpoint=endpoint, created_at=at, **fields)


def attempt(days: float, of: Delivery, body: bytes = b"thank you") -> Attempt:
    at = NOW - timedelta(days=days)
    return Attempt.objects.create(id=aged(days), delivery=of, number=1, started_at=at, duration_ms=5, body=body)


def forget_all(merchant: Merchant) -> Counter[str]:
    merchant.refresh_from_db()
    return sum(forget(merchant, at=NOW), Counter())


def test_arrivals_are_forgotten_after_thirty_days(baker: Merchant) -> None:
    """A settled notification goes after 30 days, and one that is younger stays as it is."""
    arrival(30.1)
    young = arrival(29.9)

    gone = forget_all(baker)

    assert gone["notifications"] == 1
    assert [bytes(row.raw) for row in Notification.objects.filter(id=young.id)] == [b"sealed"]
    assert Notification.objects.count() == 1


def test_what_is_not_settled_stays_without_its_raw_text(baker: Merchant) -> None:
    """A notification that no answer has settled stays for ever, but what came word for word does not."""
    open_one = arrival(40, settled_at=None)

    forget_all(baker)

    assert list(Notification.objects.values_list("id", "raw", "raw_expires_at")) == [(open_one.id, None, None)]


def test_what_is_still_owed_stays(baker: Merchant) -> None:
    """A notification with a duty stays, also when it is settled."""
    owed = arrival(40)
    values = {"merchant": baker.id, "mode": "live", "lane": baker.id, "reference": owed.id, "due_at": NOW}
    Duty.objects.create(kind=Duty.Kind.VERIFY, **values)

    forget_all(baker)

    assert list(Notification.objects.values_list("id", flat=True)) == [owed.id]


@pytest.mark.parametrize("named", [{"imp_uid": "imp_111111111111"}, {"merchant_uid": "order-1"}])
def test_a_landing_whose_deposit_is_awaited_stays(baker: Merchant, named: dict[str, str]) -> None:
    """The customer's page shows the account until its deadline, so its landing is kept until then."""
    order = Order.objects.create(mode="live", merchant_uid="order-1", created_at=NOW)
    usual = {"mode": "live", "imp_uid": "imp_111111111111", "judgement": {}, "first_seen_at": NOW}
    payment = Payment.objects.create(order=order, status="awaiting_deposit", **usual)
    landing = arrival(40, kind="landing", **named)

    forget_all(baker)
    kept = list(Notification.objects.values_list("id", flat=True))
    Payment.objects.filter(id=payment.id).update(status="paid")
    forget_all(baker)

    assert kept == [landing.id]
    assert not Notification.objects.exists()


def test_raw_answers_go_before_their_questions(baker: Merchant) -> None:
    """PortOne's raw answers go after 30 days, and what was asked and answered after 90."""
    answer(91)
    kept, young = answer(31), answer(29)

    gone = forget_all(baker)

    rows = Verification.objects.order_by("id").values_list("id", "raw", "raw_expires_at")
    assert list(rows[:1]) == [(kept.id, None, None)]
    assert [(row[0], bytes(row[1])) for row in rows[1:]] == [(young.id, b"sealed")]
    assert (gone["verifications"], gone["answers"]) == (1, 1)


def test_bodies_of_replies_go_before_their_attempts(baker: Merchant) -> None:
    """Bodies go after 30 days and attempts after 90; deliveries and events stay."""
    of = delivery(100, delivered_at=NOW)
    attempt(91, of)
    kept, young = attempt(31, of), attempt(29, of)

    gone = forget_all(baker)

    rows = Attempt.objects.order_by("id").values_list("id", "body")
    assert [(id_, bytes(body)) for id_, body in rows] == [(kept.id, b""), (young.id, b"thank you")]
    assert (gone["attempts"], gone["replies"]) == (1, 1)
    assert (Delivery.objects.count(), Event.objects.count()) == (1, 1)


def test_what_is_empty_is_not_read_again(baker: Merchant) -> None:
    """A second run begins where the first one ended."""
    of = delivery()
    emptied = [attempt(days, of) for days in (33, 32, 31)]
    forget_all(baker)

    mark = Forgetting.objects.get(kind=Forgetting.Kind.REPLIES).until

    assert mark == max(one.id for one in emptied)
    with capture_queries() as seen:
        assert forget_all(baker).total() == 0
    assert not [query for query in seen if query.startswith("UPDATE")]


def test_more_than_a_batch_is_forgotten_in_turns(baker: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is more than a batch goes batch by batch, past rows that have to stay."""
    monkeypatch.setattr("results.retention.ROWS_A_TIME", 2)
    stay = [arrival(50, settled_at=None) for _ in range(3)]
    for _ in range(4):
        arrival(40)

    turns = [turn["notifications"] for turn in forget(baker, at=NOW)]

    assert turns == [0, 1, 2, 1]
    assert set(Notification.objects.values_list("id", flat=True)) == {one.id for one in stay}


def test_a_batch_is_read_from_the_primary_key(baker: Merchant) -> None:
    """Old rows are found by the beginning of their ids: no sequential scan, no sort, no other index."""
    of = delivery()
    at = NOW - timedelta(days=40)
    usual = {"delivery": of, "number": 1, "started_at": at, "duration_ms": 5, "body": b""}
    ids = sorted(aged(random.uniform(0, 100)) for _ in range(5_000))
    Attempt.objects.bulk_create(Attempt(id=id_, **usual) for id_ in ids)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE results_attempt")

    plan = old_ids(Attempt, after=BEFORE_ALL, before=lowest_id(NOW - timedelta(days=90))).explain()

    assert "using results_attempt_pkey" in plan
    assert "Seq Scan" not in plan
    assert "Sort" not in plan


def test_what_goes_is_not_read_first(baker: Merchant) -> None:
    """A row is removed by its id alone: nothing that it holds is fetched."""
    attempt(100, delivery())

    with capture_queries() as seen:
        assert forget_all(baker)["attempts"] == 1

    assert not [query for query in seen if query.startswith("SELECT") and '"body"' in query.split(" FROM ")[0]]


def test_each_merchant_has_its_own_times(baker: Merchant, database: dict[str, Merchant]) -> None:
    """A shorter time counts for what is there already, an audit entry says who chose it, and others keep theirs."""
    arrival(8)
    of = delivery()
    attempt(8, of)

    set_retention(baker, arrivals=7, replies=7, attempts=7, actor="owner@bakery.example", at=NOW)
    gone = forget_all(baker)

    assert (gone["notifications"], gone["attempts"]) == (1, 1)
    entry = AuditEntry.objects.get(action="retention.changed")
    assert entry.detail == {"keeps_arrivals": [30, 7], "keeps_replies": [30, 7], "keeps_attempts": [90, 7]}
    assert Merchant.objects.get(id=database["florist"].id).keeps_arrivals == 30


@pytest.mark.parametrize(
    "wish", [{"arrivals": 0}, {"arrivals": 91}, {"attempts": 6}, {"attempts": 366}, {"replies": 90, "attempts": 60}]
)
def test_times_have_limits(baker: Merchant, wish: dict[str, int]) -> None:
    """What is outside the limits is refused with the limits, and by the database too."""
    with pytest.raises(BadRetention, match="keep them"):
        set_retention(baker, **wish, actor="tests", at=NOW)

    with pytest.raises(IntegrityError), transaction.atomic():
        Merchant.objects.filter(id=baker.id).update(**{f"keeps_{name}": days for name, days in wish.items()})


def test_choosing_the_same_again_is_no_news(baker: Merchant) -> None:
    """What changes nothing leaves no entry in the audit."""
    set_retention(baker, arrivals=30, actor="tests", at=NOW)

    assert not AuditEntry.objects.exists()


def test_a_merchant_chooses_how_long_raw_text_stays(bakery: Cast, baker: Merchant) -> None:
    """What arrives is marked with the day on which it goes by its merchant's choice."""
    connection.set_schema_to_public()
    set_retention(baker, arrivals=3, actor="tests", at=NOW)
    bakery.chooses()  # nothing else; this process looks it up again

    bakery.is_called_about("imp_111111111111", "order-1")

    (row,) = bakery.notifications()
    assert row.raw_expires_at - row.received_at == timedelta(days=3)


def test_every_merchant_has_its_turn(baker: Merchant, lines: CapturingLogger) -> None:
    """A run goes over all merchants, counts what went, and writes one line for each that lost anything."""
    arrival(40)
    attempt(40, delivery())
    connection.set_schema_to_public()

    gone = forget_everywhere()

    assert (gone["notifications"], gone["replies"]) == (1, 1)
    [line] = lines.calls
    assert line.args == ("forgotten",)
    assert (line.kwargs["merchant"], line.kwargs["notifications"], line.kwargs["replies"]) == (str(baker.id), 1, 1)


def test_a_merchant_without_its_tables_stops_no_other(baker: Merchant, lines: CapturingLogger) -> None:
    """One merchant's fault is written down, and the others' turns come all the same."""
    arrival(40)
    connection.set_schema_to_public()
    broken = Merchant(name="broken", state=Merchant.State.READY, schema_name="t_" + "0" * 32, created_at=NOW)
    broken.save()

    try:
        gone = forget_everywhere()
    finally:
        Merchant.objects.filter(id=broken.id).delete()

    assert gone["notifications"] == 1
    failed = [line for line in lines.calls if line.args == ("forgetting_failed",)]
    assert [line.kwargs["merchant"] for line in failed] == [str(broken.id)]


def test_the_page_of_a_forgotten_landing_has_ended(bakery: Cast) -> None:
    """Whoever opens a page whose landing was forgotten reads that it ended, not that it never was."""
    landing = bakery.lands(imp_uid="imp_111111111111", merchant_uid="order-1")
    page = page_of(landing)
    with inside(bakery.merchant.schema_name):
        Notification.objects.all().delete()

    shown = httpx.get(page, trust_env=False)

    assert shown.status_code == 410
    assert 'data-state="ended"' in shown.text


def test_a_delivery_without_a_duty_is_owed_again(baker: Merchant, lines: CapturingLogger) -> None:
    """Undelivered for ten minutes and owed by no row: a duty is made, and that is told loudly."""
    late = delivery(0.5)

    assert owe_missing_deliveries(baker, at=NOW) == 1

    duty = Duty.objects.get()
    assert (duty.kind, duty.reference, duty.lane, duty.mode) == ("redeliver", late.id, late.endpoint_id, "live")
    assert [(line.method_name, line.args) for line in lines.calls] == [("error", ("deliveries_without_duty",))]
    assert owe_missing_deliveries(baker, at=NOW) == 0


@pytest.mark.parametrize("still", ["paused_at", "disabled_at", "opened_at"])
def test_what_waits_for_its_endpoint_is_not_missing(baker: Merchant, still: str) -> None:
    """Backlog of an endpoint that does not listen has no duty on purpose."""
    late = delivery(0.5)
    Endpoint.objects.filter(id=late.endpoint_id).update(**{still: NOW})

    assert owe_missing_deliveries(baker, at=NOW) == 0


@pytest.mark.parametrize(
    "fields", [{"delivered_at": NOW}, {"given_up_at": NOW}, {"began_at": NOW}], ids=lambda one: next(iter(one))
)
def test_what_ended_or_began_just_now_is_not_missing(baker: Merchant, fields: dict[str, Any]) -> None:
    """What was heard or given up is not owed, and a round that began a moment ago may be under way."""
    delivery(0.5, **fields)

    assert owe_missing_deliveries(baker, at=NOW) == 0


def test_duties_of_a_closed_merchant_are_dropped(baker: Merchant) -> None:
    """What a worker still wrote for a merchant that was closed meanwhile is removed; others' duties stay."""
    connection.set_schema_to_public()
    values = {"mode": "live", "due_at": NOW, "kind": Duty.Kind.DELIVER}
    for merchant in (baker.id, aged(0)):
        Duty.objects.create(merchant=merchant, lane=aged(0), reference=aged(0), **values)
    Merchant.objects.filter(id=baker.id).update(closed_at=NOW)

    assert drop_duties_of_closed(at=NOW) == 1
    recover_everywhere()

    assert not Duty.objects.filter(merchant=baker.id).exists()
    assert Duty.objects.count() == 1


def capture_queries() -> Any:
    """Return the statements that are sent inside, as text."""
    return _Queries()


class _Queries:
    def __enter__(self) -> list[str]:
        self.seen: list[str] = []
        self._wrapper = connection.execute_wrapper(self._note)
        self._wrapper.__enter__()
        return self.seen

    def _note(self, execute: Callable[..., Any], statement: Any, *rest: Any) -> Any:
        self.seen.append(str(statement))
        return execute(statement, *rest)

    def __exit__(self, *error: Any) -> None:
        self._wrapper.__exit__(*error)
