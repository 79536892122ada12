"""In which shapes does a browser come back from the payment window?

All of these were seen or are documented: the parameters differ by PG, by SDK and by device, and none of them
proves anything.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import quote, urlencode

from .payment import Payment

Variant = Literal[
    "imp_success",  # ids and imp_success=true|false: mobile, most older PGs
    "success",  # ids and success=true|false
    "neither",  # ids; a failure adds error_code and error_msg: iamport.js with the newer PGs
    "ids",  # the two ids whatever happened: transfers, Toss, KSNET
    "imp_status",  # KCP QuickPay
    "post",  # ids in the query of a POST with an empty body: KG Inicis transfer on iOS
    "without_imp_uid",  # only merchant_uid
    "preflight",  # the window never opened: no ids at all
    "preflight_order",  # the window never opened: merchant_uid only
    "flutter",  # every key of the callback, unencoded, after a hard-coded question mark
    "v2",  # txId, paymentId, code, message
    "repeated",  # merchant_uid twice: KG Inicis transfer in an app
]
VARIANTS: tuple[str, ...] = get_args(Variant)

PREFLIGHT_REASON = "PG사 설정이 올바르지 않습니다"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What the window tells the browser about one payment."""

    imp_uid: str
    merchant_uid: str
    success: bool
    error_code: str = ""
    error_msg: str = ""
    everything: dict[str, Any]

    @classmethod
    def of(cls, payment: Payment, *, error_code: str = "", success: bool | None = None) -> "Ending":
        """Read the ending off the true state: paid and issued accounts count as success."""
        went_well = payment.status == "paid" or payment.awaits_deposit if success is None else success
        return cls(
            imp_uid=payment.imp_uid,
            merchant_uid=payment.merchant_uid,
            success=went_well,
            error_code="" if went_well else error_code or "PAY_PROCESS_CANCELED",
            error_msg="" if went_well else payment.fail_reason or "사용자가 결제를 취소하였습니다",
            everything=payment.as_json(),
        )


def method_of(variant: str) -> str:
    """Return the HTTP method that the browser uses."""
    return "POST" if variant == "post" else "GET"


def redirect_to(m_redirect_url: str, ending: Ending, variant: str) -> str:
    """Return the whole URL; a query that is already there is kept. Raise ValueError on an unknown variant."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}")
    if variant == "flutter":
        return f"{m_redirect_url}?{_unencoded(ending)}"
    return join_query(m_redirect_url, _parameters(ending, variant))


def refusal_url(m_redirect_url: str, *, merchant_uid: str, error_code: str, error_msg: str, variant: str) -> str:
    """Return where a browser goes whose window did not open, so that there is no payment to speak of."""
    ids = [] if variant == "preflight" else [("merchant_uid", merchant_uid)]
    return join_query(m_redirect_url, ids + _preflight(merchant_uid, error_code, error_msg))


def response_to(payment: Payment, *, error_code: str = "") -> dict[str, Any]:
    """Return what the window calls the page's function with on a PC, buyer and all."""
    ending = Ending.of(payment, error_code=error_code)
    return {**ending.everything, "success": ending.success, **dict(_errors(ending))}


def refusal_response(merchant_uid: str, error_code: str, error_msg: str) -> dict[str, Any]:
    """Return the same of a window that did not open: there is no payment to name."""
    refused = dict(_preflight(merchant_uid, error_code, error_msg))
    return {**refused, "success": False, "imp_uid": None, "merchant_uid": merchant_uid}


def join_query(url: str, pairs: list[tuple[str, str]]) -> str:
    base, hash_mark, fragment = url.partition("#")
    joint = "&" if "?" in base else "?"
    return f"{base}{joint}{urlencode(pairs, quote_via=quote)}{hash_mark}{fragment}"


def _parameters(ending: Ending, variant: str) -> list[tuple[str, str]]:
    order = ("merchant_uid", ending.merchant_uid)
    ids = [("imp_uid", ending.imp_uid), order]
    success = "true" if ending.success else "false"
    match variant:
        case "ids" | "post":
            return ids
        case "imp_success" | "success" | "imp_status":
            return [*ids, (variant, success), *_errors(ending)]
        case "without_imp_uid":
            return [order, ("imp_success", success), *_errors(ending)]
        case "preflight" | "preflight_order":
            reason = _preflight(ending.merchant_uid, "F1002", ending.error_msg or PREFLIGHT_REASON)
            return reason if variant == "preflight" else [order, *reason]
        case "v2":
            names = {"error_code": "code", "error_msg": "message"}
            errors = [(names[name], value) for name, value in _errors(ending)]
            return [("txId", ending.imp_uid), ("paymentId", ending.merchant_uid), *errors]
        case "repeated":
            return [*ids, order]
        case _:
            return [*ids, *_errors(ending)]


def _errors(ending: Ending) -> list[tuple[str, str]]:
    both = [("error_code", ending.error_code), ("error_msg", ending.error_msg)]
    return [(name, value) for name, value in both if value]


def _preflight(merchant_uid: str, error_code: str, error_msg: str) -> list[tuple[str, str]]:
    request_id = f"req_{sum(merchant_uid.encode()):06d}"
    return [
        ("success", "false"),
        ("request_id", request_id),
        ("error_code", error_code),
        ("error_msg", error_msg),
    ]


def _unencoded(ending: Ending) -> str:
    values = {"success": ending.success, **ending.everything} | dict(_errors(ending))
    return "&".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()
    )
