"""What every merchant may rely on in what was told: shape, numbers, corrections, and that nothing fulfils wrongly."""

import json
from itertools import groupby
from typing import Any

from results.core.ids import encode
from results.core.words import EventType
from results.models import Event
from tests.flow.timelines import AWAITING, EXPIRED, FAILED, HOLDING, PAID, REVIEW

ENVELOPE = "id,object,spec,type,created_at,livemode,merchant,sequence,previous,cause,late,supersedes,data,links"
PAYMENT = (
    "id,version,status,money_moved,final,amount,verification,provider,method,failure,resolution,"
    "cancellations,times,receipt_url,metadata,customer"
)


def read_told(order: str) -> list[dict[str, Any]]:
    """Return an order's events by sequence, each row compared with its body."""
    rows = list(Event.objects.filter(order__merchant_uid=order).order_by("sequence"))
    events = [json.loads(bytes(row.body)) for row in rows]
    check_envelopes(rows, events)
    return events


def check_all(events: list[dict[str, Any]]) -> None:
    """Check what holds of every order's events, whatever happened."""
    check_chain(events)
    check_claim(events)
    check_safety(events)


def check_envelopes(rows: list[Event], events: list[dict[str, Any]]) -> None:
    """Every body has the documented fields and agrees with its row; the order's numbers have no gap."""
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    for row, event in zip(rows, events, strict=True):
        assert ",".join(event) == ENVELOPE
        assert list(event["data"]) == ["order", "payment"]
        assert list(event["data"]["order"]) == ["id", "status", "flags", "expected"]
        assert ",".join(event["data"]["payment"]) == PAYMENT
        assert (event["id"], event["type"], event["sequence"]) == (encode("evt", row.id), row.type, row.sequence)
        amount = event["data"]["payment"]["amount"]
        assert amount is None or amount["captured"] - amount["cancelled"] == amount["balance"]


def check_chain(events: list[dict[str, Any]]) -> None:
    """Versions count each payment's events, `previous` repeats the one before, corrections name an earlier one."""
    said: dict[str, dict[str, Any]] = {}
    types: dict[str, str] = {}
    earlier: list[str] = []
    for event in events:
        payment = event["data"]["payment"]
        before = said.get(payment["id"])
        assert payment["version"] == (before["version"] + 1 if before else 1)
        assert event["previous"] == before
        assert event["supersedes"] is None or event["supersedes"] in earlier
        assert event["late"] <= (event["supersedes"] is not None)
        if payment["status"] == AWAITING:
            was_paid = types.get(payment["id"]) in (EventType.PAID, EventType.DEPOSIT_REVERSED)
            assert (event["type"] == EventType.DEPOSIT_REVERSED) == was_paid
        if event["type"] == EventType.PAID and before:
            assert event["late"] == (before["status"] in (FAILED, EXPIRED))
        cancelled = payment["amount"]["cancelled"] if payment["amount"] else 0
        said[payment["id"]] = {"status": payment["status"], "version": payment["version"], "cancelled": cancelled}
        types[payment["id"]] = event["type"]
        earlier.append(event["id"])


def check_claim(events: list[dict[str, Any]]) -> None:
    """A claim comes first if at all; the first verified event of its payment, or of any if it has none, corrects it."""
    events = [event for event in events if event["data"]["payment"]["verification"]["result"] != "unavailable"]
    if not events or events[0]["data"]["payment"]["verification"]["result"] != "claimed":
        return
    claim, *verified = events
    claimed = claim["data"]["payment"]["id"]
    firsts = {event["data"]["payment"]["id"]: event for event in reversed(verified)}
    for event in [firsts[claimed]] if claimed in firsts else firsts.values():
        assert event["supersedes"] == claim["id"]
    assert all(event["data"]["payment"]["verification"]["result"] != "claimed" for event in verified)


def check_safety(events: list[dict[str, Any]]) -> None:
    """Nothing fulfils on a mismatch, from a sandbox, or beside another payment that holds money."""
    statuses: dict[str, str] = {}
    for event in events:
        payment, expected = event["data"]["payment"], event["data"]["order"]["expected"]
        statuses[payment["id"]] = payment["status"]
        assert (event["type"] == EventType.PAID) == (payment["status"] == PAID)
        assert sum(status in HOLDING for status in statuses.values()) <= 1
        if event["type"] == EventType.PAID:
            assert payment["verification"]["result"] == ("matched" if expected else "not_checked")
            assert payment["verification"]["mismatches"] == []
            assert not payment["provider"]["sandbox"]
            paid = (payment["amount"]["total"], payment["amount"]["currency"])
            assert expected is None or paid == (expected["amount"], expected["currency"])


def say(status: str, review: str, verified: str, cancelled: int, *, moved: bool) -> tuple[str, str, int]:
    """Return what makes an event other news than the one before: name, comparison if paid, cancelled amount."""
    name = f"{review}{' with money' if moved else ''}" if status == REVIEW else status
    return name, verified if status == PAID else "", cancelled


def check_news(events: list[dict[str, Any]], news: list[tuple[str, str, int]]) -> None:
    """Each change was told, in order; none twice, but that a first comparison may tell the same status again."""
    told = []
    for event in events:
        payment = event["data"]["payment"]
        result, cancelled = (
            payment["verification"]["result"],
            payment["amount"]["cancelled"] if payment["amount"] else 0,
        )
        if result not in ("claimed", "unavailable"):
            said = say(payment["status"], event["type"], result, cancelled, moved=payment["money_moved"])
            told.append((*said, result, event["type"]))
    assert [said for said, _ in groupby(one[:3] for one in told)] == news
    assert [said[:3] for said in told if said[0] == PAID] == [said for said in news if said[0] == PAID]
    assert len(list(groupby(told))) == len(told)
