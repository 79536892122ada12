"""Which headers may a merchant add to every callback?

They are for what the receiver's own gateway asks for, such as `authorization` or a tenant's name. How a request is
framed, who sends it and who signed it stays ours: a header that could say otherwise is reserved.
"""

import re
from collections.abc import Mapping
from typing import Final

MOST: Final = 20
# All in all, as they are written on the wire. Common servers take 8 KiB of headers; half is left to our own, which
# grow with the signatures of a rotation.
MOST_BYTES: Final = 4096
AROUND: Final = len(": \r\n")

RESERVED: Final = frozenset(
    {
        *("host", "connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "http2-settings"),
        *("expect", "accept-encoding", "cookie", "user-agent"),
        "date",  # a fixed one would be wrong from the next second on
    }
)
RESERVED_PREFIXES: Final = ("content-", "proxy-", "webhook-", "x-paywitness-")

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_PRINTABLE = re.compile(r"[ -~]*")


class BadHeaders(ValueError):
    """The headers cannot be added; the message names one and says how to mend it. It never repeats a value."""


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers as they are kept and sent, values without spaces around them; raise BadHeaders."""
    if len(headers) > MOST:
        raise BadHeaders(f"{len(headers)} headers are too many: give at most {MOST}.")
    checked: dict[str, str] = {}
    for name, value in headers.items():
        _check_name(name)
        if name.lower() in {known.lower() for known in checked}:
            raise BadHeaders(f"{name} is given twice: names in upper and lower case are one.")
        checked[name] = _check_value(name, value)
    if (size := sum(len(name) + len(value) + AROUND for name, value in checked.items())) > MOST_BYTES:
        longest = max(checked, key=lambda name: len(checked[name]))
        raise BadHeaders(f"The headers have {size} bytes in all, the longest is {longest}: {MOST_BYTES} are allowed.")
    return checked


def _check_name(name: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise BadHeaders(f"{name[:60]!a} is no header name: use letters, digits and hyphens.")
    if name.lower() in RESERVED or name.lower().startswith(RESERVED_PREFIXES):
        raise BadHeaders(f"{name[:60]} is reserved, it is set by Paywitness or by HTTP itself: leave it out.")


def _check_value(name: str, value: str) -> str:
    # Before anything is stripped: a line break at the end is a fault too.
    if not _PRINTABLE.fullmatch(value):
        raise BadHeaders(f"{name[:60]} has a line break or a character beyond ASCII: write it as printable ASCII.")
    if not value.strip():
        raise BadHeaders(f"{name[:60]} has no value: give one, or leave the header out.")
    return value.strip()
