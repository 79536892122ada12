"""Was every payment told as PortOne knows it, to whom it concerns, and nothing else?

*Lost* is what a shop should have been told and did not accept, *wrong* is what nobody should have said. Everything is
read from outside: PortOne's books, what came in at the shops' doors, and the rows that are written down.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from deploy.demo.shop import Received, Shop
from tests.faults.merchants import Merchant
from tests.faults.storm_rows import imp_uid_of, is_about, told_state, wrong_rows
from tests.faults.storm_stories import Life, State, state_of

WITHOUT_ORDER: Final = ("account.reconciliation_gap", "endpoint.disabled")
NOT_SUBSCRIBED: Final = ("payment.pending",)


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


def read_frozen(merchant: Merchant) -> dict[str, bytes]:
    """Return the bytes of every event that is written down, by id, each order's in its sequence."""
    rows = merchant.installation.query(
        f"SELECT body FROM {merchant.schema}.results_event ORDER BY order_id, sequence, created_at"
    )
    bodies = [bytes(row[0]) for row in rows]
    return {json.loads(body)["id"]: body for body in bodies}


def count(merchant: Merchant, what: str) -> int:
    return int(merchant.installation.query(f"SELECT count(*) FROM {merchant.schema}.results_{what}")[0][0])
