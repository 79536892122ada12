"""Did the shop hear what it should have heard? Compares a callback with what the story calls for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .shop.received import value_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one callback must say.

    Amounts are minor units, `total` is None where PortOne knows of no payment at all. `causes` are those that
    would all be right, none for any. `supersedes` is the sequence of the order's event that this one corrects.
    """

    type: str
    status: str
    sequence: int = 1
    verification: str = "matched"
    currency: str = "KRW"
    total: int | None = None
    captured: int = 0
    cancelled: int = 0
    causes: tuple[str, ...] = ()
    late: bool = False
    supersedes: int | None = None


def find_faults(
    heard: Mapping[str, Any] | None,
    expected: Expected,
    *,
    order: str,
    told: Mapping[int, str] | None = None,
) -> list[str]:
    """Return what is wrong with a callback as the shop wrote it down, each as a few words; empty when all is right.

    `told` holds the event ids that the shop heard of this order, by sequence.
    """
    if heard is None:
        return ["no callback came"]
    if not heard["verified"]:
        return [f"the signature does not verify: {heard['refusal']}"]
    event = heard["event"]
    corrected = (told or {}).get(expected.supersedes or 0)
    wanted = _wanted(expected, order=order) | {("id",): heard["webhook_id"], ("supersedes",): corrected}
    faults = [
        f"{'.'.join(path)} is {value_at(event, *path)!r} instead of {value!r}"
        for path, value in wanted.items()
        if value_at(event, *path) != value
    ]
    cause = value_at(event, "cause")
    if expected.causes and cause not in expected.causes:
        faults.append(f"cause is {cause!r} instead of {' or '.join(expected.causes)}")
    return faults + ([] if expected.supersedes is None or corrected else ["what it corrects was never told"])


def _wanted(expected: Expected, *, order: str) -> dict[tuple[str, ...], Any]:
    payment = ("data", "payment")
    wanted: dict[tuple[str, ...], Any] = {
        ("type",): expected.type,
        ("livemode",): True,
        ("sequence",): expected.sequence,
        ("late",): expected.late,
        ("data", "order", "id"): order,
        (*payment, "status"): expected.status,
        (*payment, "money_moved"): expected.captured > 0,
        (*payment, "verification", "result"): expected.verification,
    }
    if expected.total is None:
        return wanted | {(*payment, "amount"): None}
    return wanted | {(*payment, "amount", name): value for name, value in _amount(expected).items()}


def _amount(expected: Expected) -> dict[str, Any]:
    return {
        "currency": expected.currency,
        "exponent": 0,
        "total": expected.total,
        "captured": expected.captured,
        "cancelled": expected.cancelled,
        "balance": expected.captured - expected.cancelled,
    }


def find_faults_at_the_end(
    received: Iterable[Mapping[str, Any]], wanted: Mapping[str, list[str]], fulfilled: Iterable[str]
) -> list[str]:
    """Compare all that was heard: each order's news once, in order, and goods sent for what was paid.

    `wanted` holds the event types of each order by sequence; none at all for an order of which nothing may be told.
    Callbacks about other orders are none of this walk's.
    """
    faults = []
    told: dict[str, dict[str, tuple[int, str]]] = {order: {} for order in wanted}
    for item in received:
        if item["order"] in told:
            told[item["order"]][item["webhook_id"]] = (item["event"].get("sequence") or 0, item["type"] or "")
            faults += [] if item["verified"] else [f"{item['order']}: a callback whose signature does not verify"]
    for order, types in wanted.items():
        numbered = sorted(told[order].values())
        if numbered != list(enumerate(types, start=1)):
            faults.append(f"{order} was told {numbered} instead of {types}")
    paid = {order for order, types in wanted.items() if "payment.paid" in types}
    if odd := paid ^ (set(fulfilled) & wanted.keys()):
        faults.append(f"goods were sent for the wrong orders: {', '.join(sorted(odd))}")
    return faults
