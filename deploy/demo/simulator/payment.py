"""What does PortOne know of one payment, and what of it does its API show?

Field names are PortOne's own (V1 Swagger, `PaymentAnnotation`), so that the JSON is the dataclass. Amounts
are decimal major units, times are epoch seconds with 0 for "not applicable".
"""

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

DEMO_BUYER_NAME = "데모구매자"
DEMO_BUYER_EMAIL = "buyer@example.com"
DEMO_BUYER_TEL = "010-0000-0000"

ACCOUNT_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One try to pay, with every field of the published document."""

    imp_uid: str
    merchant_uid: str
    amount: Decimal
    currency: str = "KRW"
    status: str = "ready"
    sandbox: bool = False
    pay_method: str = "card"
    channel: str = "mobile"
    pg_provider: str = "nice_v2"
    emb_pg_provider: str | None = None
    pg_tid: str = ""
    pg_id: str = "demo00000m"
    escrow: bool = False
    apply_num: str | None = None
    bank_code: str | None = None
    bank_name: str | None = None
    card_code: str | None = None
    card_name: str | None = None
    card_issuer_code: str | None = None
    card_issuer_name: str | None = None
    card_publisher_code: str | None = None
    card_publisher_name: str | None = None
    card_quota: int = 0
    card_number: str | None = None
    card_type: int | None = None
    vbank_code: str | None = None
    vbank_name: str | None = None
    vbank_num: str | None = None
    vbank_holder: str | None = None
    vbank_date: int = 0
    vbank_issued_at: int = 0
    name: str = "데모 상품"
    cancel_amount: Decimal = Decimal(0)
    buyer_name: str | None = DEMO_BUYER_NAME
    buyer_email: str | None = DEMO_BUYER_EMAIL
    buyer_tel: str | None = DEMO_BUYER_TEL
    buyer_addr: str | None = None
    buyer_postcode: str | None = None
    custom_data: str | None = None
    user_agent: str = "Mozilla/5.0 (demo)"
    started_at: int = 0
    paid_at: int = 0
    failed_at: int = 0
    cancelled_at: int = 0
    fail_reason: str | None = None
    cancel_reason: str | None = None
    receipt_url: str | None = None
    cancel_history: tuple[dict[str, Any], ...] = ()
    deposit_history: tuple[dict[str, Any], ...] = ()
    cancel_receipt_urls: tuple[str, ...] = ()
    cash_receipt_issued: bool = False
    customer_uid: str | None = None
    customer_uid_usage: str | None = None
    promotion: dict[str, Any] | None = None

    @property
    def balance(self) -> Decimal:
        return self.amount - self.cancel_amount

    @property
    def awaits_deposit(self) -> bool:
        return self.status == "ready" and self.vbank_num is not None

    def as_json(self) -> dict[str, Any]:
        return {name: _plain(getattr(self, name)) for name in FIELD_NAMES}


FIELD_NAMES = tuple(field.name for field in fields(Payment))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A payment as PortOne keeps it: whose it is, where its news goes, what the API shows meanwhile."""

    imp_key: str
    payment: Payment
    updated_at: datetime
    tier: str | None = None
    notice_urls: tuple[str, ...] = ()
    m_redirect_url: str = ""
    confirm_url: str = ""
    variant: str = "imp_success"
    error_code: str = ""
    hidden: bool = False
    earlier: Payment | None = None
    visible_at: datetime | None = None

    def seen(self, *, at: datetime) -> Payment:
        """Return what the API shows at that moment: the earlier state until the newest becomes visible."""
        if self.earlier and self.visible_at and at < self.visible_at:
            return self.earlier
        return self.payment


def seconds(at: datetime) -> int:
    return int(at.timestamp())


def approval_of(payment: Payment, *, at: datetime) -> dict[str, Any]:
    """Return the fields that an approval adds, by method of payment."""
    common = {
        "status": "paid",
        "paid_at": seconds(at),
        "receipt_url": f"https://receipt.example.com/{payment.imp_uid}",
    }
    if payment.pay_method == "card":
        return common | _card(payment)
    if payment.pay_method == "trans":
        return common | {"bank_code": "004", "bank_name": "KB국민은행"}
    return common


def account_of(payment: Payment, *, at: datetime, open_for: int) -> dict[str, Any]:
    """Return the fields of a freshly issued virtual account: open for so many seconds, its number with dashes."""
    return {
        "vbank_code": "088",
        "vbank_name": "신한은행",
        "vbank_num": f"562-{payment.imp_uid[-12:-6]}-{payment.imp_uid[-6:]}",
        "vbank_holder": "데모상점",
        "vbank_issued_at": seconds(at),
        "vbank_date": seconds(at) + open_for,
    }


def _card(payment: Payment) -> dict[str, Any]:
    return {
        "apply_num": payment.imp_uid[-8:],
        "card_code": "381",
        "card_name": "KB국민카드",
        "card_issuer_code": "381",
        "card_issuer_name": "KB국민카드",
        "card_number": "400000******0002",
        "card_type": 0,
    }


def number(amount: Decimal) -> int | float:
    """Return an amount as PortOne writes it in JSON: 64900, or 14.2."""
    # Only the spelling matters: a float of a decimal with up to 15 digits is written as that decimal.
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
