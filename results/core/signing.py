"""Who says so? Standard Webhooks v1: HMAC-SHA256 over `id.timestamp.body` (standardwebhooks.com).

Our callbacks are signed with it, and PortOne V2 signs its webhooks in the same way, so the same code checks
those.
"""

import base64
import binascii
import hashlib
import hmac
import math
import re
import secrets as randomness
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

TOLERANCE = timedelta(minutes=5)

_PREFIX = "whsec_"
_VERSION = "v1,"
_KEY_BYTES = range(24, 65)  # the specification's bounds
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SECONDS = re.compile(r"[0-9]{1,11}")
_MAX_HEADER = 4096


class BadSecret(ValueError):
    """The text is no signing secret; the message never repeats it."""


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """A key shared with one receiver, written as whsec_ and base64."""

    key: bytes = field(repr=False)

    @classmethod
    def from_text(cls, text: str) -> "SigningSecret":
        """Read `whsec_…`; raises BadSecret when the rest is no base64 of 24 to 64 bytes."""
        if not text.startswith(_PREFIX):
            raise BadSecret(f"a signing secret begins with {_PREFIX}")
        encoded = text.removeprefix(_PREFIX).rstrip("=")
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise BadSecret(f"after {_PREFIX} a signing secret is base64") from None
        if len(key) not in _KEY_BYTES:
            raise BadSecret("a signing secret has 24 to 64 bytes")
        return cls(key)

    def to_text(self) -> str:
        """Return the secret as the merchant is shown it."""
        return _PREFIX + base64.b64encode(self.key).decode()

    @classmethod
    def generate(cls, random_bytes: bytes | None = None) -> "SigningSecret":
        """Make a new secret of 32 bytes, from the system's randomness unless the bytes are given."""
        key = randomness.token_bytes(32) if random_bytes is None else random_bytes
        if len(key) != 32:
            raise BadSecret("a new signing secret is made of 32 bytes")
        return cls(key)


def sign(body: bytes, *, message_id: str, at: datetime, secrets: Iterable[SigningSecret]) -> dict[str, str]:
    """Return the headers that prove body came from us.

    Pass the retiring secret along with the new one while a merchant rotates. Sign the very bytes that are
    sent. A naive `at`, no secret at all or an id that a header cannot carry raises ValueError.
    """
    keys = tuple(secrets)
    if not keys or not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("a message needs an id of plain characters and at least one secret")
    seconds = str(_whole_seconds(at))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(_signature(secret, message_id, seconds, body) for secret in keys),
    }


def verify(
    body: bytes,
    headers: Mapping[str, str | Sequence[str]],
    *,
    secrets: Iterable[SigningSecret],
    at: datetime,
    tolerance: timedelta = TOLERANCE,
) -> bool:
    """Tell whether one of the secrets signed this body within the tolerance of `at`.

    Never raises on what came from outside. A header that came several times may be given as a list: several
    signatures are all tried, several ids or times are ambiguous and not believed.
    """
    values = {str(name).lower(): _texts(value) for name, value in headers.items()}
    message_id = _only(values.get("webhook-id"))
    seconds = _only(values.get("webhook-timestamp"))
    if message_id is None or seconds is None or not _is_recent(seconds, at, tolerance):
        return False
    given = " ".join(values.get("webhook-signature", ())).encode("ascii", "replace")[:_MAX_HEADER].split(b" ")
    wanted = [_signature(secret, message_id, seconds, body).encode() for secret in secrets]
    # Every pair is compared, in constant time each: the time taken tells nothing about a right signature.
    return any([hmac.compare_digest(one, other) for one in wanted for other in given])


def _signature(secret: SigningSecret, message_id: str, seconds: str, body: bytes) -> str:
    signed = f"{message_id}.{seconds}.".encode() + body
    digest = hmac.new(secret.key, signed, hashlib.sha256).digest()
    return _VERSION + base64.b64encode(digest).decode()


def _whole_seconds(at: datetime) -> int:
    # A naive time would be read in the machine's zone and be signed hours off.
    if at.utcoffset() is None:
        raise ValueError("the moment of a signature carries its time zone")
    return math.floor(at.timestamp())


def _is_recent(seconds: str, at: datetime, tolerance: timedelta) -> bool:
    now = _whole_seconds(at)
    return bool(_SECONDS.fullmatch(seconds)) and abs(now - int(seconds)) <= tolerance.total_seconds()


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple):
        return tuple(text for text in value if isinstance(text, str))
    return ()


def _only(texts: tuple[str, ...] | None) -> str | None:
    if texts is None or len(texts) != 1:
        return None
    return texts[0] if texts[0].isascii() and 0 < len(texts[0]) <= _MAX_HEADER else None
