import base64
import hashlib
import hmac
import time
from urllib.parse import parse_qsl, quote


def check_return(query: str, *, return_url: str, key: str) -> dict[str, str] | None:
    """Return the signed pr_* values, or None: forged, repeated, or older than 5 minutes.

    return_url is the address as you registered it, not what the Host header says.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    pairs = [pair for pair in pairs if pair[0].startswith("pr_")]
    values = dict(pairs)
    signature = values.pop("pr_sig", "")
    signed = "&".join(f"{name}={quote(values[name], safe='')}" for name in sorted(values))
    text = f"pr1\nGET\n{return_url}\n{signed}"
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=")
    if not hmac.compare_digest(expected, signature.encode()):
        return None
    if len(pairs) != len(values) + 1:
        return None
    return values if abs(time.time() - int(values["pr_ts"])) <= 300 else None
