"""The only place that speaks to PortOne, and the only one that opens a merchant's PortOne keys."""

from results.portone.client import Found, KeepToken, Page, PortOne
from results.portone.credentials import (
    KEY,
    TIER,
    Access,
    account_of,
    keep_token,
    note_account,
    open_access,
    seal_credential,
    show_masked,
)
from results.portone.errors import (
    PaymentUnknown,
    PortOneBusy,
    PortOneDeclined,
    PortOneError,
    PortOneGarbled,
    PortOneRefused,
    PortOneSilent,
    PortOneUnavailable,
    QuestionRejected,
)
from results.portone.parse import Channel

__all__ = [
    "KEY",
    "TIER",
    "Access",
    "Channel",
    "Found",
    "KeepToken",
    "Page",
    "PaymentUnknown",
    "PortOne",
    "PortOneBusy",
    "PortOneDeclined",
    "PortOneError",
    "PortOneGarbled",
    "PortOneRefused",
    "PortOneSilent",
    "PortOneUnavailable",
    "QuestionRejected",
    "account_of",
    "keep_token",
    "note_account",
    "open_access",
    "seal_credential",
    "show_masked",
]
