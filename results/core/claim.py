"""What does an arrival say? Reads a redirect or a webhook of PortOne V1 into a Claim, and believes none of it.

Every shape that was ever seen is accepted: query, form or JSON, three names of the success flag or none, repeated
keys, parameters encoded twice or not at all, and the escrow notice whose status is still `paid`. Identifiers are
whitelisted here, because a browser chose them and they are later put into the path of a PortOne URL.
(Facts: PortOne V1 redirect and webhook guides, and what PortOne's own SDKs send.)
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from email.message import Message
from enum import StrEnum
from typing import Any, Self
from urllib.parse import parse_qsl, unquote

MAX_BYTES = 8 * 1024
TOO_LONG = f"The request is longer than {MAX_BYTES} bytes; only its beginning was read."
MAX_TOKEN = 1024

IMP_UID = re.compile(r"imp_[0-9]{6,28}", re.ASCII)
MERCHANT_UID_LENGTH = 40
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

# PortOne V1 names first, then those of V2 that its mobile SDKs use for the same things.
NAMES = {
    "imp_uid": ("imp_uid", "txId", "tx_id"),
    "merchant_uid": ("merchant_uid", "paymentId", "payment_id"),
    "error_code": ("error_code", "code"),
    "error_message": ("error_msg", "message"),
    "status": ("status",),
    "cancellation_id": ("cancellation_id",),
    "event": ("event",),
    "order_token": ("pw_order",),
    "amount": ("amount",),
}
FLAGS = ("imp_success", "success", "imp_status")
MISSING = ("", "null", "undefined")
V2_IDS = frozenset({"txId", "tx_id", "paymentId", "payment_id"})
V2_ERRORS = ("code", "message")
IDENTIFIERS = frozenset(NAMES["imp_uid"] + NAMES["merchant_uid"])
NAMED = "|".join([*FLAGS, *(name for names in NAMES.values() for name in names), "m_redirect_url"])
JOINT, FOLD = re.compile(rf"\?(?=(?:{NAMED})=)"), re.compile(rf"&(?=(?:{NAMED})=)")
LENGTHS = {
    "amount": 32,
    "error_code": 64,
    "error_message": 900,
    "status": 32,
    "cancellation_id": 64,
    "event": 64,
    "order_token": MAX_TOKEN,
}


class Outcome(StrEnum):
    """What a redirect says of its own success. It proves nothing; a really paid order can say `failed`."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CONTRADICTORY = "contradictory"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a landing or webhook says; untrusted.

    `imp_uid` and `merchant_uid` have passed the whitelist or are None; `problems` says what could not be read, each
    as a sentence that names the field and the mend.
    """

    imp_uid: str | None = None
    merchant_uid: str | None = None
    outcome: Outcome = Outcome.SILENT
    status: str | None = None
    cancellation_id: str | None = None
    event: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    order_token: str | None = None
    amount: str | None = None
    problems: tuple[str, ...] = ()

    @property
    def names_something(self) -> bool:
        """True when PortOne can be asked about it."""
        return self.imp_uid is not None or self.askable_order is not None

    @property
    def askable_order(self) -> str | None:
        """The order's id if it may stand in the path of a PortOne URL."""
        return self.merchant_uid if self.merchant_uid and is_askable(self.merchant_uid) else None

    def as_json(self) -> dict[str, Any]:
        """Return the parts that have no column of their own, without the empty ones."""
        return {name: value for name in WITHOUT_COLUMN if (value := getattr(self, name))}

    @classmethod
    def from_json(cls, imp_uid: str | None, merchant_uid: str | None, rest: Mapping[str, Any]) -> Self:
        """Read back what as_json wrote."""
        kept = dict(rest)
        outcome, problems = Outcome(kept.pop("outcome", Outcome.SILENT)), tuple(kept.pop("problems", ()))
        return cls(imp_uid=imp_uid, merchant_uid=merchant_uid, outcome=outcome, problems=problems, **kept)


WITHOUT_COLUMN = tuple(field.name for field in fields(Claim) if field.name not in ("imp_uid", "merchant_uid"))


def is_askable(merchant_uid: str) -> bool:
    """Say whether an order's id may stand in a URL path: percent-encoding does not tame `.`, `..` and `/`."""
    return merchant_uid not in (".", "..") and "/" not in merchant_uid


def read_claim(*, query: str = "", content_type: str = "", body: bytes = b"") -> Claim:
    """Read an arrival. Never raises: what cannot be read is a problem of the Claim."""
    problems: list[str] = []
    if len(body) > MAX_BYTES or len(query) > MAX_BYTES:
        problems.append(TOO_LONG)
    pairs = _read_body(content_type, body[:MAX_BYTES], problems) + _read_query(query[:MAX_BYTES])
    fields = _without_homonyms(_first_of_each(pairs))
    texts = {ours: _text(fields, theirs) for ours, theirs in NAMES.items()}
    imp_uid, merchant_uid = texts.pop("imp_uid"), texts.pop("merchant_uid")
    # One PG on old browsers leaves its message percent-encoded.
    texts["error_message"] = unquote(texts["error_message"] or "") or None
    return Claim(
        imp_uid=_imp_uid(imp_uid, problems),
        merchant_uid=_merchant_uid(merchant_uid, problems),
        outcome=_outcome(fields, code=texts["error_code"], message=texts["error_message"]),
        problems=tuple(problems),
        **{name: _printable(value, LENGTHS[name]) for name, value in texts.items()},
    )


def _read_query(query: str) -> list[tuple[str, Any]]:
    """Split a query. An app SDK appends `?success=…` to a URL that had a query already, so `?` separates too."""
    return _unfold(parse_qsl(JOINT.sub("&", query).lstrip("?"), keep_blank_values=True))


def _unfold(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, Any]]:
    """Split identifiers that hold further pairs: one iOS flow returns `imp_uid=…%26merchant_uid=…`.

    Other values stay whole: a merchant's own `next=…` may hold the address of another order.
    """
    unfolded: list[tuple[str, Any]] = []
    for name, value in pairs:
        head, *tail = FOLD.split(value, maxsplit=1) if name in IDENTIFIERS else [value]
        unfolded.append((name, head))
        unfolded += parse_qsl("".join(tail), keep_blank_values=True)
    return unfolded


def _read_body(content_type: str, body: bytes, problems: list[str]) -> list[tuple[str, Any]]:
    if not body.strip():
        return []
    text = _decode(content_type, body)
    if not text.lstrip().startswith(("{", "[", '"')) and "json" not in content_type.lower():
        return _unfold(parse_qsl(text.strip(), keep_blank_values=True))
    try:
        fields = json.loads(text, parse_float=Decimal)  # an amount must not pass through a float
    except (ValueError, RecursionError):
        if TOO_LONG not in problems:  # else it was we who cut it
            problems.append("The body is not JSON, although it looks so; send a JSON object or a form.")
        return []
    if not isinstance(fields, dict):
        problems.append("The body is JSON but not an object; send an object with imp_uid and merchant_uid.")
        return []
    return list(fields.items())


def _decode(content_type: str, body: bytes) -> str:
    if "charset" not in content_type.lower():
        return body.decode("utf-8", "replace").removeprefix("\ufeff")
    message = Message()
    message["content-type"] = content_type.replace("\r", " ").replace("\n", " ")
    try:
        text = body.decode(message.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):  # an unknown charset, or no name of one at all
        text = body.decode("utf-8", "replace")
    return text.removeprefix("\ufeff")


def _first_of_each(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Keep the first of repeated keys, as PortOne's own SDK does. Scripts write a missing value as `null`."""
    first: dict[str, Any] = {}
    for name, value in pairs:
        if value is not None and not (isinstance(value, str) and value.strip() in MISSING):
            first.setdefault(name, value)
    return first


def _without_homonyms(fields: dict[str, Any]) -> dict[str, Any]:
    """Drop V2's names of errors where V2's ids are not: a merchant's own query often has a `code` of a coupon."""
    if V2_IDS.isdisjoint(fields):
        return {name: value for name, value in fields.items() if name not in V2_ERRORS}
    return fields


def _text(fields: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """Return the first of these fields that holds text, or a whole number as text."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, Decimal) and name == "amount":  # the only thing that may be a fraction
            value = str(value)
        if isinstance(value, str):
            return value.strip()
    return None


def _printable(value: str | None, length: int) -> str | None:
    """Return what can be shown and kept of a text; None when nothing is left."""
    return UNPRINTABLE.sub("", value or "")[:length] or None


def _imp_uid(value: str | None, problems: list[str]) -> str | None:
    if value is None or IMP_UID.fullmatch(value):
        return value
    if IMP_UID.fullmatch(decoded := unquote(value)):
        return decoded
    problems.append("imp_uid is not a PortOne payment id; it is written imp_ and 6 to 28 digits.")
    return None


def _merchant_uid(value: str | None, problems: list[str]) -> str | None:
    if value is None:
        return None
    if len(value) > MERCHANT_UID_LENGTH:
        problems.append(f"merchant_uid is longer than {MERCHANT_UID_LENGTH} characters; PortOne allows no more.")
        return None
    if UNPRINTABLE.search(value):
        problems.append("merchant_uid holds control characters; use printable ones.")
        return None
    return value


def _outcome(fields: Mapping[str, Any], *, code: str | None, message: str | None) -> Outcome:
    flags = [value for name in FLAGS if isinstance(value := fields.get(name), str | bool)]
    said = {str(value).strip().lower() for value in flags} & {"true", "false"}
    if len(said) > 1 or (said == {"true"} and code):
        return Outcome.CONTRADICTORY
    if said == {"true"}:
        return Outcome.SUCCEEDED
    return Outcome.FAILED if said or code or message else Outcome.SILENT
