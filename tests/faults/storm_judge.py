"""Was every payment told as PortOne knows it, to whom it concerns, and nothing else?

*Lost* is what a shop should have been told and did not accept, *wrong* is what nobody should have said. Everything is
read from outside: PortOne's books, what came in at the shops' doors, and the rows that are written down.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from deploy.demo.shop import Received, Shop
from tests.faults.merchants import AMOUNT, Merchant
from tests.faults.storm_stories import Life, State, state_of

WITHOUT_ORDER: Final = ("account.reconciliation_gap", "endpoint.disabled")
NOT_SUBSCRIBED: Final = ("payment.pending",)
Event = dict[str, Any]


@dataclass(slots=True)
class Judgement:
    """What is lost and what is wrong, each as a line for a person, and what was counted on the way."""

    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    events: int = 0
    callbacks: int = 0
    attempts: int = 0
    duplicates: int = 0
    waits: list[float] = field(default_factory=list)


def judge(merchants: Sequence[Merchant], lives: Sequence[Life]) -> Judgement:
    """Compare what PortOne knows with what each shop was told."""
    judgement = Judgement()
    for merchant in merchants:
        own = {life.order: life for life in lives if life.merchant is merchant}
        frozen = read_frozen(merchant)
        judgement.events += len(frozen)
        judgement.attempts += count(merchant, "attempt")
        judgement.lost += lost_arrivals(merchant, own.values())
        judgement.wrong += wrong_rows(frozen.values(), own)
        for shop in merchant.shops:
            judge_shop(judgement, merchant, shop, own, frozen)
    return judgement


def judge_shop(
    judgement: Judgement, merchant: Merchant, shop: Shop, own: dict[str, Life], frozen: dict[str, bytes]
) -> None:
    received, acted = shop.received(), shop.acted_on()
    believed = [item for item in received if item.verified and item.headers["webhook-id"] in acted]
    judgement.callbacks += len(received)
    judgement.duplicates += len(received) - len({item.headers.get("webhook-id") for item in received})
    judgement.wrong += [wrong for item in received for wrong in wrong_callback(item, merchant, own, frozen)]
    judgement.lost += lost_events(merchant, acted, frozen)
    for life in own.values():
        told = [item for item in believed if item.order == life.order]
        judgement.lost += lost_payments(life, told)
        judgement.waits += waits_of(life, told)


def lost_arrivals(merchant: Merchant, lives: Iterable[Life]) -> Iterator[str]:
    """Yield what was accepted and is not written down. One that was written down twice does no harm."""
    outbox = merchant.portone.outbox.done()
    accepted = sum(sent.answer == 200 for sent in outbox if sent.imp_key == merchant.name)
    accepted += sum(life.landings for life in lives)
    if count(merchant, "notification") < accepted:
        yield f"{merchant.name}: {accepted} arrivals were accepted, {count(merchant, 'notification')} are written down"


def lost_events(merchant: Merchant, acted: frozenset[str], frozen: dict[str, bytes]) -> Iterator[str]:
    """Yield the events that a shop never accepted."""
    for id_, body in frozen.items():
        type_ = json.loads(body)["type"]
        if id_ not in acted and type_ not in NOT_SUBSCRIBED and not type_.startswith("claim."):
            yield f"{merchant.name}: {type_} {id_} was accepted by no more than some of its shops"


def lost_payments(life: Life, told: Sequence[Received]) -> Iterator[str]:
    """Yield the payments of which a shop does not know the final state."""
    newest: dict[str, tuple[int, State]] = {}
    for item in told:
        payment = item.event["data"]["payment"]
        newest[imp_uid_of(payment)] = max(
            newest.get(imp_uid_of(payment), (0, ("", 0))), (payment["version"], told_state(payment))
        )
    for imp_uid in life.imp_uids:
        true = state_of(life.merchant.portone.payment(imp_uid), is_forged=life.is_forged)
        known = newest.get(imp_uid, (0, None))[1]
        if true is not None and known != true:
            yield f"{life.order} {imp_uid}: PortOne says {true}, a shop was last told {known}"


def waits_of(life: Life, told: Sequence[Received]) -> Iterator[float]:
    """Yield how many seconds after each state came to be a shop was first told of it."""
    for said in life.said:
        about = [item for item in told if is_about(item.event, said.imp_uid, said.state) and item.at > said.at]
        if about:
            yield (min(item.at for item in about) - said.at).total_seconds()


def wrong_callback(item: Received, merchant: Merchant, own: dict[str, Life], frozen: dict[str, bytes]) -> Iterator[str]:
    """Yield what is wrong about one callback: signature, receiver, id, bytes, order."""
    event, where = item.event, f"{merchant.name} {item.headers.get('webhook-id')}"
    if not item.verified:
        yield f"{where}: {item.refusal}"
        return
    if event["merchant"] != merchant.facts["merchant"] or event["livemode"] is not True:
        yield f"{where}: told of {event['merchant']}, livemode {event['livemode']}"
    if event["id"] != item.headers["webhook-id"] or frozen.get(event["id"]) != item.body:
        yield f"{where}: the bytes are not those of the event that is written down"
    if item.order not in own and event["type"] not in WITHOUT_ORDER:
        yield f"{where}: {event['type']} tells of {item.order!r}, which is no order of {merchant.name}"


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
    claims = [payment for payment in payments if is_claimed(payment)]
    if claims and not life.may_be_claimed:
        yield "a claim was told of an order without a failure, or that nobody expected"
    verified = [payment for payment in payments if not is_claimed(payment)]
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
    allowed = {
        "first": {"matched"},
        "late": {"not_checked", "matched"},
        "never": {"not_checked"},
        "at another price": {"mismatched"},
    }[life.registered]
    if not set(results) - {"claimed", "unavailable"} <= allowed:
        yield f"{life.registered} registered, told as {results}"
    paid = Counter(
        event["data"]["payment"]["verification"]["result"] for event in events if event["type"] == "payment.paid"
    )
    if any(times > 1 for times in paid.values()):
        yield f"payment.paid was told {dict(paid)} times"


def read_frozen(merchant: Merchant) -> dict[str, bytes]:
    """Return the bytes of every event that is written down, by id, each order's in its sequence."""
    rows = merchant.installation.query(
        f"SELECT body FROM {merchant.schema}.results_event ORDER BY order_id, sequence, created_at"
    )
    bodies = [bytes(row[0]) for row in rows]
    return {json.loads(body)["id"]: body for body in bodies}


def count(merchant: Merchant, what: str) -> int:
    return int(merchant.installation.query(f"SELECT count(*) FROM {merchant.schema}.results_{what}")[0][0])


def is_claimed(payment: dict[str, Any]) -> bool:
    return payment["verification"]["result"] in ("claimed", "unavailable")


def is_about(event: Event, imp_uid: str, state: State) -> bool:
    payment = event["data"]["payment"]
    return not is_claimed(payment) and imp_uid_of(payment) == imp_uid and told_state(payment) == state


def imp_uid_of(payment: dict[str, Any]) -> str:
    return payment["provider"]["imp_uid"] or ""


def told_state(payment: dict[str, Any]) -> State:
    amount = payment["amount"]
    return payment["status"], amount["cancelled"] if amount else 0
