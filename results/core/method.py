"""How was it paid? The payment method in the shape promised to merchants, masked again by us."""

import re
from typing import Any

from results.core.snapshot import Card, Snapshot, VirtualAccount
from results.core.words import MethodType

TYPES = {
    "card": MethodType.CARD,
    "trans": MethodType.BANK_TRANSFER,
    "vbank": MethodType.VIRTUAL_ACCOUNT,
    "phone": MethodType.PHONE,
    "point": MethodType.POINT,
    "cultureland": MethodType.GIFT,
    "smartculture": MethodType.GIFT,
    "happymoney": MethodType.GIFT,
    "booknlife": MethodType.GIFT,
    "culturegift": MethodType.GIFT,
    "paypal": MethodType.OVERSEAS_WALLET,
    "alipay": MethodType.OVERSEAS_WALLET,
    "wechat": MethodType.OVERSEAS_WALLET,
    "unionpay": MethodType.OVERSEAS_WALLET,
}
EASY_PAY = frozenset({
    "samsung", "samsungpay", "kakaopay", "naverpay", "naverpay_card", "naverpay_point", "payco", "tosspay", "ssgpay",
    "lpay", "kpay", "applepay", "skpay", "chai", "pinpay", "kbapppay", "kbpay", "smilepay",
})  # fmt: skip
CARD_KINDS = {"0": "credit", "1": "check"}
VISIBLE_HEAD, VISIBLE_TAIL = 6, 4


def method_type(raw: str | None) -> MethodType:
    """Return our name of a V1 `pay_method`; the list is open, so an unknown one stays unknown."""
    if raw in EASY_PAY:
        return MethodType.EASY_PAY
    return TYPES.get(raw or "", MethodType.UNKNOWN)


def describe_method(snapshot: Snapshot) -> dict[str, Any]:
    """Return the `method` object of a result."""
    method: dict[str, Any] = {
        "type": method_type(snapshot.pay_method),
        "raw": snapshot.pay_method,
        "easy_pay": snapshot.easy_pay,
    }
    if snapshot.card:
        method["card"] = describe_card(snapshot.card)
    if snapshot.virtual_account:
        method["virtual_account"] = describe_account(snapshot.virtual_account)
    return method


def describe_card(card: Card) -> dict[str, Any]:
    masked = mask_card(card.number)
    head, tail = (masked[:VISIBLE_HEAD], masked[-VISIBLE_TAIL:]) if masked else ("", "")
    return {
        "issuer_code": card.issuer_code or card.code,
        "issuer_name": card.issuer_name or card.name,
        "bin6": head if head.isdigit() and len(head) == VISIBLE_HEAD else None,
        "last4": tail if tail.isdigit() and len(tail) == VISIBLE_TAIL else None,
        "masked": masked,
        "kind": CARD_KINDS.get(card.kind, "unknown"),
        "installments": card.installments,
        "approval_number": card.approval_number,
    }


def mask_card(number: str | None) -> str | None:
    """Show six digits in front and four behind at most, whatever the PG sent; a short number shows nothing."""
    digits = re.sub(r"[^0-9*xX]", "", number or "").replace("x", "*").replace("X", "*")
    hidden = len(digits) - VISIBLE_HEAD - VISIBLE_TAIL
    if not digits:
        return None
    return digits[:VISIBLE_HEAD] + "*" * hidden + digits[-VISIBLE_TAIL:] if hidden > 0 else "*" * len(digits)


def describe_account(account: VirtualAccount) -> dict[str, Any]:
    return {
        "bank_code": account.bank_code,
        "bank_name": account.bank_name,
        "number": account.number.replace("-", ""),
        "holder": account.holder,
        "issued_at": account.issued_at,
        "expires_at": account.expires_at,
        "depositor": None,
    }
