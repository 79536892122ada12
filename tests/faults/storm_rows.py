"""What may stand in an order's events: numbers without a gap, nothing that PortOne never said, nothing too often."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from tests.faults.merchants import AMOUNT
from tests.faults.storm_stories import Life, State

ALLOWED: Final = {
    "first": {"matched"},
    "late": {"not_checked", "matched"},
    "never": {"not_checked"},
    "at another price": {"mismatched"},
}
Event = dict[str, Any]


def wrong_rows(bodies: Iterable[bytes], own: dict[str, Life]) -> Iterator[str]:
    """Yield what is wrong about the events of each order, in the order of their sequence."""
    by_order: defaultdict[str, list[Event]] = defaultdict(list)
    for body in bodies:
        event = json.loads(body)
        if event["sequence"] is not None:
            by_order[event["data"]["order"]["id"]].append(event)
    for order, events in by_order.items():
        if order not in own:
            yield f"{order}: nobody ever made this order"
            continue
        yield from (f"{order}: {wrong}" for wrong in wrong_order(own[order], events))


def wrong_order(life: Life, events: Sequence[Event]) -> Iterator[str]:
    if [event["sequence"] for event in events] != list(range(1, len(events) + 1)):
        yield f"sequences {[event['sequence'] for event in events]}"
    by_payment: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_payment[event["data"]["payment"]["id"]].append(event)
    for told in by_payment.values():
        yield from wrong_payment(life, told)


def wrong_payment(life: Life, events: Sequence[Event]) -> Iterator[str]:
    """Yield what is wrong about the events of one payment, the oldest first."""
    payments = [event["data"]["payment"] for event in events]
    if [payment["version"] for payment in payments] != list(range(1, len(events) + 1)):
        yield f"versions {[payment['version'] for payment in payments]}"
    unverified = {payment["verification"]["result"] for payment in payments if is_unverified(payment)}
    if "claimed" in unverified and not life.may_be_claimed:
        yield "a claim was told of an order without a failure, or that nobody expected"
    if "unavailable" in unverified and life.registered == "never":
        yield "waiting was told of an order that nobody expected"
    verified = [payment for payment in payments if not is_unverified(payment)]
    for imp_uid in {imp_uid_of(payment) for payment in verified}:
        yield from wrong_states(life, imp_uid, verified)
    yield from wrong_words(life, events)


def wrong_states(life: Life, imp_uid: str, verified: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what PortOne never said of a payment, or said in another order."""
    told = [told_state(payment) for payment in verified]
    history = iter([said.state for said in life.said if said.imp_uid == imp_uid])
    state = None
    for one in told:
        while state != one:
            state = next(history, None)
            if state is None:
                yield f"{imp_uid} was told as {told}, PortOne said {[said.state for said in life.said]}"
                return
    totals = {payment["amount"]["total"] for payment in verified}
    if imp_uid not in life.imp_uids or totals != {AMOUNT}:
        yield f"{imp_uid} was told with {totals}"


def wrong_words(life: Life, events: Sequence[Event]) -> Iterator[str]:
    """Yield what is wrong about how far each result is to be trusted, and how often it is told as paid."""
    results = [event["data"]["payment"]["verification"]["result"] for event in events]
    if not set(results) - {"claimed", "unavailable"} <= ALLOWED[life.registered]:
        yield f"{life.registered} registered, told as {results}"
    paid = Counter(
        event["data"]["payment"]["verification"]["result"] for event in events if event["type"] == "payment.paid"
    )
    if any(times > 1 for times in paid.values()):
        yield f"payment.paid was told {dict(paid)} times"


def is_unverified(payment: dict[str, Any]) -> bool:
    return payment["verification"]["result"] in ("claimed", "unavailable")


def is_about(event: Event, imp_uid: str, state: State) -> bool:
    payment = event["data"]["payment"]
    return not is_unverified(payment) and imp_uid_of(payment) == imp_uid and told_state(payment) == state


def imp_uid_of(payment: dict[str, Any]) -> str:
    return payment["provider"]["imp_uid"] or ""


def told_state(payment: dict[str, Any]) -> State:
    amount = payment["amount"]
    return payment["status"], amount["cancelled"] if amount else 0
