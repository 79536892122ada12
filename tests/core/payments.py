"""Payments as PortOne may write them, for property tests: every field, and values that nobody expects."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from results.core.snapshot import Snapshot
from results.portone import PortOneUnavailable
from results.portone.parse import parse_payment

END_OF_TIME = 253_402_300_799  # 9999-12-31, the last second that a datetime can name
PLAIN: dict[str, Any] = {
    "imp_uid": "imp_448280090638",
    "merchant_uid": "order-1",
    "status": "paid",
    "amount": 64900,
    "cancel_amount": 0,
    "currency": "KRW",
    "sandbox": False,
}

# What json.loads can make, lone surrogates and NUL included.
TEXTS = st.none() | st.text(st.characters(), max_size=12) | st.sampled_from(["\ud800", "\x00", "한도 초과"])
AMOUNTS = st.one_of(
    st.sampled_from([0, 1, 64900, Decimal("14.2"), Decimal("0.1"), Decimal("64900.00"), Decimal("1E+30")]),
    st.integers(0, 10**20),
    st.decimals(0, 10**9, allow_nan=False, allow_infinity=False),
)
TIMES = st.sampled_from([None, 0, 1, 1_795_151_564, END_OF_TIME, Decimal(1_795_151_564)]) | st.integers(0, END_OF_TIME)
CANCELLATIONS = st.lists(
    st.fixed_dictionaries(
        {"amount": AMOUNTS},
        optional={
            "cancellation_id": TEXTS,
            "pg_tid": TEXTS,
            "reason": TEXTS,
            "cancelled_at": TIMES,
            "receipt_url": TEXTS,
        },
    ),
    max_size=3,
)
BY_PORTONE: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "imp_uid": st.just("imp_448280090638"),
        "merchant_uid": st.just("order-1"),
        "status": st.sampled_from(["ready", "paid", "cancelled", "failed", "brand_new"]),
        "amount": AMOUNTS,
        "cancel_amount": st.just(0) | AMOUNTS,
        "currency": st.sampled_from([None, "KRW", "USD", "JPY", "KWD", "krw", "XYZ", "\ud800"]),
        "sandbox": st.booleans(),
    },
    optional=dict.fromkeys(("started_at", "paid_at", "failed_at", "cancelled_at"), TIMES)
    | dict.fromkeys(("vbank_date", "vbank_issued_at"), TIMES)
    | dict.fromkeys(("pg_provider", "emb_pg_provider", "pg_id", "pg_tid", "channel", "apply_num"), TEXTS)
    | dict.fromkeys(("card_code", "card_name", "card_number", "card_issuer_name"), TEXTS)
    | dict.fromkeys(("vbank_num", "vbank_code", "vbank_name", "vbank_holder"), TEXTS)
    | dict.fromkeys(("fail_reason", "receipt_url", "custom_data", "buyer_name", "buyer_tel"), TEXTS)
    | {
        "pay_method": st.sampled_from(["card", "vbank", "trans", "brand_new"]) | TEXTS,
        "card_quota": st.sampled_from([None, 0, 3, "3", "일시불"]),
        "card_type": st.sampled_from([None, 0, 1, "1", True]),
        "customer_uid_usage": st.sampled_from([None, "issue", "payment"]),
        "cancel_history": st.none() | CANCELLATIONS,
    },
)


def parsed(payment: dict[str, Any], *, asked_at: datetime) -> Snapshot | None:
    """Return what we read of it; None for a payment that is no evidence."""
    try:
        return parse_payment(payment, asked_at=asked_at)
    except PortOneUnavailable:
        return None
