"""The words of a result: every status, event type and reason that Paywitness may say.

The names are promises to merchants. A name's meaning never changes; new names may come.
"""

from enum import StrEnum

SPEC = "2026-12-01"


class PaymentStatus(StrEnum):
    PENDING = "pending"
    AWAITING_DEPOSIT = "awaiting_deposit"
    PAID = "paid"
    PARTIALLY_CANCELLED = "partially_cancelled"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"
    REVIEW = "review"


class OrderStatus(StrEnum):
    """The roll-up over an order's payments."""

    REGISTERED = "registered"
    PENDING = "pending"
    AWAITING_DEPOSIT = "awaiting_deposit"
    PAID = "paid"
    PARTIALLY_CANCELLED = "partially_cancelled"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"


class Flag(StrEnum):
    """What a merchant should notice about an order, beside its status."""

    DUPLICATE_PAYMENT = "duplicate_payment"
    EXPECTED_CONFLICT = "expected_conflict"
    ORDER_EXPIRED = "order_expired"
    REVIEW = "review"


class EventType(StrEnum):
    PAID = "payment.paid"
    PARTIALLY_CANCELLED = "payment.partially_cancelled"
    CANCELLED = "payment.cancelled"
    ACCOUNT_ISSUED = "payment.virtual_account.issued"
    ACCOUNT_EXPIRED = "payment.virtual_account.expired"
    DEPOSIT_REVERSED = "payment.virtual_account.deposit_reversed"
    EXPIRED = "payment.expired"
    PENDING = "payment.pending"
    NOT_STARTED = "payment.not_started"
    ABANDONED = "payment.abandoned"
    DECLINED = "payment.declined"
    FAILED = "payment.failed"
    REVIEW_AMOUNT = "payment.review.amount_mismatch"
    REVIEW_CURRENCY = "payment.review.currency_mismatch"
    REVIEW_ORDER = "payment.review.order_mismatch"
    REVIEW_UNKNOWN_ORDER = "payment.review.order_unknown"
    REVIEW_LIVEMODE = "payment.review.livemode_mismatch"
    REVIEW_DUPLICATE = "payment.review.duplicate_payment"
    REVIEW_ANOMALY = "payment.review.provider_anomaly"
    REVIEW_RESOLVED = "payment.review.resolved"
    CLAIM_NOT_FOUND = "claim.payment_not_found"
    CLAIM_REJECTED = "claim.rejected"
    CREDENTIALS_INVALID = "account.credentials_invalid"
    RECONCILIATION_GAP = "account.reconciliation_gap"
    PING = "endpoint.ping"
    ENDPOINT_DISABLED = "endpoint.disabled"


class Cause(StrEnum):
    """What made us look."""

    LANDING = "landing"
    WEBHOOK = "webhook"
    DEPOSIT = "virtual_account_deposit"
    RECONCILIATION = "reconciliation"
    LATE_APPROVAL = "late_approval"
    ORDER_REGISTERED = "order_registered"
    MEMBER = "member"


class Verified(StrEnum):
    """How far a result can be trusted; only `matched` was compared with a registered order."""

    MATCHED = "matched"
    MISMATCHED = "mismatched"
    NOT_CHECKED = "not_checked"
    UNAVAILABLE = "unavailable"
    CLAIMED = "claimed"


class Check(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    SKIPPED = "skipped"


class MethodType(StrEnum):
    CARD = "card"
    BANK_TRANSFER = "bank_transfer"
    VIRTUAL_ACCOUNT = "virtual_account"
    PHONE = "phone"
    EASY_PAY = "easy_pay"
    POINT = "point"
    GIFT = "gift"
    OVERSEAS_WALLET = "overseas_wallet"
    UNKNOWN = "unknown"


def hears(patterns: list[str], event_type: str) -> bool:
    """Say whether an endpoint with these subscriptions is to hear the type. `payment.review.*` is a prefix."""
    return any(
        event_type == pattern or (pattern.endswith("*") and event_type.startswith(pattern[:-1])) for pattern in patterns
    )


# Waiting is news to few, and claims are for the dashboard: both are subscribed by name only.
DEFAULT_EVENTS = (
    EventType.PAID,
    EventType.PARTIALLY_CANCELLED,
    EventType.CANCELLED,
    "payment.virtual_account.*",
    EventType.EXPIRED,
    EventType.NOT_STARTED,
    EventType.ABANDONED,
    EventType.DECLINED,
    EventType.FAILED,
    "payment.review.*",
    "account.*",
    "endpoint.*",
)
