"""Shall PortOne approve? The answer to its confirm process, which asks just before a payment is approved.

The question is unsigned, so it never sets a price: it is compared with what the merchant registered, or with what its
server signed. It is a shield
and no evidence, since a browser can leave `confirm_url` out. (Fact: PortOne V1 confirm process guide: HTTP 200
approves, anything else refuses, and `reason` of the body is shown as the payment's failure.)
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from results.core.classify import Expected
from results.core.money import Money, MoneyError, to_minor
from results.core.words import OrderStatus

AMOUNT_DIFFERS = "결제 금액이 주문 금액과 다릅니다."
ORDER_UNKNOWN = "등록되지 않은 주문입니다."
ORDER_EXPIRED = "주문의 결제 시간이 지났습니다."
ORDER_PAID = "이미 결제된 주문입니다."
NOT_ANSWERED = "지금은 주문을 확인할 수 없습니다. 잠시 후 다시 시도해 주세요."


@dataclass(frozen=True, slots=True)
class Approve:
    """The payment may be approved."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The payment is not to be approved; the customer reads why."""

    reason: str


def confirm(
    amount: str | None, expected: Expected | None, status: OrderStatus | None, *, closed: bool, at: datetime
) -> Approve | Refuse:
    """Compare what is about to be paid (major units, as text) with what is expected."""
    if expected is None:
        return Refuse(ORDER_UNKNOWN) if closed else Approve()
    if status == OrderStatus.PAID:
        return Refuse(ORDER_PAID)
    if expected.expires_at is not None and at >= expected.expires_at:
        return Refuse(ORDER_EXPIRED)
    return Approve() if _money(amount, expected.money.currency) == expected.money else Refuse(AMOUNT_DIFFERS)


def confirm_blindly(*, closed: bool) -> Approve | Refuse:
    """Answer while the database does not: as the merchant chose, open or closed."""
    return Refuse(NOT_ANSWERED) if closed else Approve()


def _money(amount: str | None, currency: str) -> Money | None:
    try:
        return to_minor(Decimal(amount or ""), currency)
    except (InvalidOperation, MoneyError):
        return None
