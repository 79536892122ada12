"""What does each event look like? One of every type, judged and written by what judges and writes the real ones."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from results.core.classify import Expected, Surroundings, classify, roll_up
from results.core.failures import classify_failure
from results.core.ids import encode, lowest_id
from results.core.money import Money
from results.core.result import (
    Notice,
    OrderView,
    PaymentView,
    Previous,
    Resolution,
    Result,
    freeze,
    view_claim,
    view_judgement,
    view_waiting,
)
from results.core.snapshot import Cancellation, Card, Snapshot, VirtualAccount
from results.core.words import Cause, EventType, PaymentStatus

AT: Final = datetime(2026, 11, 21, 5, 12, 3, 120_000, tzinfo=UTC)
SITE: Final = "https://paywitness.example"
ORDER: Final = "order-1042"
WON: Final = Money(64900, "KRW", 0)


def id_of(prefix: str, number: int = 1) -> str:
    """Return an id as ours are, made at the time of the examples."""
    return encode(prefix, UUID(int=lowest_id(AT).int + number))


MERCHANT: Final = id_of("mer")
PAYMENT: Final = id_of("pay")
ENDPOINT: Final = id_of("end")


def said(**fields: Any) -> Snapshot:
    """Return what PortOne said of a card payment, but for what is said otherwise."""
    usual: dict[str, Any] = {
        "imp_uid": "imp_448280090638",
        "merchant_uid": ORDER,
        "status": "paid",
        "amount": Decimal(64900),
        "cancel_amount": Decimal(0),
        "currency": "KRW",
        "sandbox": False,
        "asked_at": AT - timedelta(milliseconds=140),
        "pay_method": "card",
        "channel": "mobile",
        "pg": "nice_v2",
        "pg_merchant_id": "nictest04m",
        "pg_transaction_id": "nictest04m01012611210511",
        "started_at": AT - timedelta(minutes=2),
        "paid_at": AT - timedelta(seconds=4, milliseconds=120),
        "receipt_url": "https://npg.nicepay.co.kr/issue/IssueLoader.do?TID=example",
        "card": Card("366", "신한카드", "366", "신한카드", "402367******1234", "0", 0, "30012345"),
    }
    return Snapshot(**usual | fields)


def unpaid(**fields: Any) -> Snapshot:
    """Return what PortOne said of a payment of which no money came."""
    usual: dict[str, Any] = {"paid_at": None, "receipt_url": None, "card": None}
    return said(**usual | fields)


def failed(reason: str) -> Snapshot:
    return unpaid(status="failed", failed_at=AT - timedelta(seconds=4), fail_reason=reason)


def account(*, ends: datetime) -> Snapshot:
    """Return what PortOne said of a bank account that waits for its deposit until then."""
    issued = VirtualAccount("088", "신한은행", "56211105948400", "주식회사 예시", AT - timedelta(minutes=1), ends)
    return unpaid(status="ready", pay_method="vbank", virtual_account=issued)


def cancelled(amount: int) -> Snapshot:
    """Return what PortOne said after so much was given back."""
    entry = Cancellation("cancel-1", Decimal(amount), "고객 변심", "nictest04m01012611210515", AT, None)
    return said(cancel_amount=Decimal(amount), cancelled_at=AT, cancellations=(entry,))


def around(**fields: Any) -> Surroundings:
    usual: dict[str, Any] = {
        "livemode": True,
        "strict": False,
        "expected": Expected(WON, "orders_api", AT - timedelta(minutes=3)),
        "named_by_claim": True,
        "already_paid": False,
        "grace": timedelta(minutes=10),
    }
    return Surroundings(**usual | fields)


PAID_BEFORE: Final = Previous(PaymentStatus.PAID, 1, 0)
Story = Callable[[EventType], dict[str, Any]]


def judged(snapshot: Snapshot, cause: Cause = Cause.WEBHOOK, *, before: Previous | None = None, **more: Any) -> Story:
    """Return the story of an answer of PortOne's that is judged."""

    def tell(type: EventType) -> dict[str, Any]:
        surroundings = around(**more)
        judgement = classify(snapshot, surroundings, at=AT)
        if judgement.event_type != type:
            raise ValueError(f"the example of {type} is one of {judgement.event_type}")
        view = view_judgement(judgement, snapshot, id=PAYMENT, version=2 if before else 1, first_seen_at=AT)
        return write(type, view, cause, before=before, expected=surroundings.expected)

    return tell


def unverified(view: PaymentView, cause: Cause) -> Story:
    return lambda type: write(type, view, cause, expected=around().expected)


def resolved(type: EventType) -> dict[str, Any]:
    """Return the story of a review that a member ended."""
    surroundings = around(accepted=frozenset({EventType.REVIEW_AMOUNT}))
    snapshot = said(amount=Decimal(60000))
    judgement = classify(snapshot, surroundings, at=AT)
    view = view_judgement(judgement, snapshot, id=PAYMENT, version=2, first_seen_at=AT - timedelta(hours=1))
    ended = Resolution("accepted", "The customer paid the rest in the shop.", AT)
    before = Previous(PaymentStatus.REVIEW, 1, 0)
    return write(type, replace(view, resolution=ended), Cause.MEMBER, before=before, expected=surroundings.expected)


def news(**data: dict[str, Any]) -> Story:
    """Return the story of news that concern no order."""
    return lambda type: Notice(id_of("evt"), type, AT, True, MERCHANT, dict(data)).envelope()


def claim(reason: str) -> Story:
    arrived = {"kind": "landing", "received_at": "2026-11-21T05:12:02.000Z"}
    return news(claim=arrived | {"imp_uid": "imp_000000000000", "merchant_uid": ORDER, "reason": reason})


def write(
    type: EventType, view: PaymentView, cause: Cause, *, expected: Expected | None, before: Previous | None = None
) -> dict[str, Any]:
    order = OrderView(ORDER, roll_up([view.status]), (), expected, {"cart": "c-981"})
    return Result(
        id=id_of("evt"),
        type=type,
        created_at=AT,
        livemode=True,
        merchant=MERCHANT,
        sequence=2 if before else 1,
        previous=before,
        cause=cause,
        late=False,
        supersedes=None,
        order=order,
        payment=view,
        link=f"{SITE}/api/v1/payments/{PAYMENT}",
    ).envelope()


SEEN: Final[dict[str, Any]] = {"id": PAYMENT, "version": 1, "first_seen_at": AT - timedelta(minutes=1)}
NOT_OPENED: Final = classify_failure(pg=None, code=None, message="PG 설정 정보가 없습니다.", source="redirect")
STORIES: Final[dict[EventType, Story]] = {
    EventType.PAID: judged(said(), Cause.LANDING),
    EventType.PARTIALLY_CANCELLED: judged(cancelled(20000), before=PAID_BEFORE),
    EventType.CANCELLED: judged(cancelled(64900), before=PAID_BEFORE),
    EventType.ACCOUNT_ISSUED: judged(account(ends=AT + timedelta(days=1))),
    EventType.ACCOUNT_EXPIRED: judged(account(ends=AT - timedelta(minutes=11)), Cause.RECONCILIATION),
    EventType.DEPOSIT_REVERSED: judged(account(ends=AT + timedelta(days=1)), before=PAID_BEFORE, was_paid=True),
    EventType.EXPIRED: judged(unpaid(status="ready", started_at=AT - timedelta(minutes=31)), Cause.RECONCILIATION),
    EventType.PENDING: unverified(view_waiting(**SEEN), Cause.LANDING),
    EventType.NOT_STARTED: unverified(view_claim(NOT_OPENED, **SEEN), Cause.LANDING),
    EventType.ABANDONED: judged(failed("사용자가 결제를 취소하셨습니다"), Cause.LANDING),
    EventType.DECLINED: judged(failed("한도초과"), Cause.LANDING),
    EventType.FAILED: judged(failed("PG사 시스템 점검 중"), Cause.LANDING),
    EventType.REVIEW_AMOUNT: judged(said(amount=Decimal(100))),
    EventType.REVIEW_CURRENCY: judged(said(currency="JPY")),
    EventType.REVIEW_ORDER: judged(said(), names_other="order-1041"),
    EventType.REVIEW_UNKNOWN_ORDER: judged(said(), strict=True, expected=None),
    EventType.REVIEW_LIVEMODE: judged(said(sandbox=True)),
    EventType.REVIEW_DUPLICATE: judged(said(), already_paid=True),
    EventType.REVIEW_ANOMALY: judged(said(), Cause.RECONCILIATION, before=PAID_BEFORE, has_shrunk=True),
    EventType.REVIEW_RESOLVED: resolved,
    EventType.CLAIM_NOT_FOUND: claim("payment_not_found"),
    EventType.CLAIM_REJECTED: claim("belongs_to_another_order"),
    EventType.CREDENTIALS_INVALID: news(
        account={
            "mode": "live",
            "refused_at": "2026-11-21T05:12:03.120Z",
            "message": "PortOne refuses the API keys of this mode, so payments cannot be verified.",
        }
    ),
    EventType.RECONCILIATION_GAP: news(
        account={
            "mode": "live",
            "payments": 1,
            "oldest_paid_at": "2026-11-21T04:55:00.000Z",
            "examples": [{"imp_uid": "imp_448280090638", "order": ORDER}],
        }
    ),
    EventType.PING: news(
        endpoint={
            "id": ENDPOINT,
            "host": "shop.example.com",
            "message": "A test of this endpoint. Whoever can verify it hears what is told here.",
        }
    ),
    EventType.ENDPOINT_DISABLED: news(
        endpoint={
            "id": ENDPOINT,
            "host": "shop.example.com",
            "reason": "failing",
            "disabled_at": "2026-11-21T05:12:03.120Z",
            "failing_since": "2026-11-16T05:12:00.000Z",
        }
    ),
}


def example_event(type: EventType) -> dict[str, Any]:
    """Return the example of a type, as it is sent."""
    event: dict[str, Any] = json.loads(freeze(STORIES[type](type)))
    return event
