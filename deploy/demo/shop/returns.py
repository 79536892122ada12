"""How does a shop check a signed return, and sign the amount it expects? Copy it: standard library only."""

import base64
import hashlib
import hmac
import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote

VALID_SECONDS = 300


def check_return(query: str, *, return_url: str, key: str, at: datetime) -> dict[str, str] | None:
    """Return the signed `pr_*` parameters; None when they are forged, repeated, or older than five minutes.

    `return_url` is the address as it was registered, without a query. The result is for display: goods go out
    on a callback, and a signed return is no login.
    """
    pairs = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0].startswith("pr_")]
    fields = dict(pairs)
    signature = fields.pop("pr_sig", "")
    signed = "&".join(sorted(f"{name}={quote(value, safe='')}" for name, value in fields.items()))
    expected = _base64url_hmac(key, f"pr1\nGET\n{return_url}\n{signed}")
    genuine = bool(key) and hmac.compare_digest(expected.encode(), signature.encode())
    if not genuine or len(pairs) != len(fields) + 1:
        return None
    fresh = abs(at.timestamp() - int(fields["pr_ts"])) <= VALID_SECONDS
    return fields if fresh else None


def order_token(claims: dict[str, Any], *, key: str) -> str:
    """Return what the shop expects to be paid, in a form that a browser can carry but not change.

    `claims`: kid, m(erchant), mode, o(rder), a(mount in minor units), c(urrency), e(xpiry in epoch seconds).
    """
    text = json.dumps(claims, separators=(",", ":"), ensure_ascii=False)
    payload = "po1." + base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    return f"{payload}.{_base64url_hmac(key, payload)}"


def _base64url_hmac(key: str, text: str) -> str:
    digest = hmac.new(key.encode("ascii"), text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
