"""Why does a signature not verify? The headers and body of one callback, taken apart.

Each part is judged by itself, so that one fault does not hide another. What is right is never computed for a reader:
only whether what was pasted is, and where it differs. The rules are those of Standard Webhooks v1.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from results.core.ids import decode
from results.core.signing import TOLERANCE, SigningSecret, verify
from results.core.words import Check

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
LONGEST: Final = 4096
BOM: Final = b"\xef\xbb\xbf"
AROUND: Final = 12  # bytes shown before and after a difference
VERSION: Final = "v1,"
SECONDS: Final = re.compile(r"[0-9]{1,11}")
MILLISECONDS: Final = re.compile(r"[0-9]{13}")
PLAIN: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")


class Part(StrEnum):
    """What can be wrong about a callback, in the order in which it is looked at."""

    ID = "id"
    TIMESTAMP = "timestamp"
    SIGNATURE = "signature"
    SECRET = "secret"
    BODY = "body"


class Fault(StrEnum):
    """What is wrong with a part, or what remains unknown of it."""

    MISSING = "missing"
    RENAMED = "renamed"  # it came under a name that a proxy gave it
    TWICE = "twice"
    NOT_OURS = "not_ours"  # an id that we do not make
    EVENT_UNKNOWN = "event_unknown"
    EVENT_OF_OTHER_MODE = "event_of_other_mode"
    MILLISECONDS = "milliseconds"
    NO_NUMBER = "no_number"
    TOO_OLD = "too_old"
    IN_FUTURE = "in_future"
    NEVER_SENT = "never_sent"  # this event never went out at that second
    NO_VERSION = "no_version"
    JOINED = "joined"  # several signatures, joined by commas in place of spaces
    URL_SAFE = "url_safe"  # - and _ in place of + and /
    PLUS_LOST = "plus_lost"  # read as a form: + became a space
    NOT_BASE64 = "not_base64"
    WRONG_LENGTH = "wrong_length"
    NO_SECRET_FITS = "no_secret_fits"
    NO_SECRETS = "no_secrets"
    OF_OTHER_MODE = "of_other_mode"  # a secret of test mode signed, and this is live mode; or the reverse
    RETIRED = "retired"
    EMPTY = "empty"
    BOM = "bom"
    NEWLINE = "newline"  # something blank was added at an end
    ESCAPED = "escaped"  # the same text, with \\u in place of Korean letters or the reverse
    QUOTED = "quoted"  # a JSON string, or what a language prints, in place of the bytes themselves
    MISREAD = "misread"  # the bytes were read in another alphabet
    REWRITTEN = "rewritten"  # the same JSON in other bytes
    CHANGED = "changed"
    CUT = "cut"
    NOT_COMPARED = "not_compared"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A signing secret and the name by which people know it; `fault` says why it signs nothing here (any more)."""

    name: str
    secret: SigningSecret = field(repr=False)
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What we keep of an event: its bytes, the seconds at which it went out, and whether the other mode sent it."""

    body: bytes = field(repr=False)
    seconds: frozenset[int] = frozenset()
    of_other_mode: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said of one part. `place` counts from 0: characters of a header, bytes of a body."""

    part: Part
    mark: Check
    fault: Fault | None = None
    header: str = ""
    seconds: int = 0
    moment: datetime | None = None
    place: int | None = None
    found: str = ""
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings, whether a receiver may believe the callback now, and the secrets that fit, by name."""

    valid: bool
    findings: tuple[Finding, ...]
    fits: tuple[str, ...] = ()
    ahead: int | None = None  # seconds by which the receiver's clock is ahead of ours, when it was given

    @property
    def signed_with(self) -> str:
        """Name the secret that signed, be it over other bytes than those pasted; empty for none of ours."""
        return self.of(Part.SECRET).found

    def of(self, part: Part) -> Finding:
        return next(finding for finding in self.findings if finding.part == part)


def message_id(headers: Mapping[str, Sequence[str]]) -> str | None:
    """Return the one id that the headers name, if it can be one of ours."""
    ids = headers.get(ID, ())
    return ids[0] if len(ids) == 1 and decode(ids[0], prefix="evt") else None


def diagnose(
    headers: Mapping[str, Sequence[str]],
    body: bytes,
    *,
    candidates: Sequence[Candidate],
    sent: Sent | None,
    at: datetime,
    receiver_says: datetime | None = None,
) -> Diagnosis:
    """Say of each part whether it is right; `sent` is what we keep of the event that the id names, if anything.

    `receiver_says` is what the receiver's clock shows at this moment.
    """
    live = [one for one in candidates if one.fault is None]
    fits = tuple(one.name for one in live if _fits(one, headers, body, at=at))
    findings = (
        _judge_id(headers, sent),
        _judge_timestamp(headers, sent, at=at),
        _judge_signature(headers, body, candidates, at=at),
        _judge_secret(headers, body, candidates, sent, at=at),
        _judge_body(body, sent, verified=bool(fits)),
    )
    valid = bool(fits) and verify(body, headers, secrets=[one.secret for one in live], at=at)
    ahead = round((receiver_says - at).total_seconds()) if receiver_says else None
    return Diagnosis(valid, findings, fits, ahead)


def _fits(candidate: Candidate, headers: Mapping[str, Sequence[str]], body: bytes, *, at: datetime) -> bool:
    """Say whether a secret signed this, whatever the clock says."""
    return verify(body, headers, secrets=[candidate.secret], at=_moment_of(headers) or at)


def _moment_of(headers: Mapping[str, Sequence[str]]) -> datetime | None:
    times = headers.get(TIMESTAMP, ())
    return datetime.fromtimestamp(int(times[0]), UTC) if len(times) == 1 and SECONDS.fullmatch(times[0]) else None


def _judge_presence(part: Part, name: str, headers: Mapping[str, Sequence[str]]) -> Finding | None:
    values = headers.get(name, ())
    if not values or not values[0]:
        other = next((given for given in headers if given.endswith(f"-{name}")), "")
        return Finding(part, Check.FAIL, Fault.RENAMED if other else Fault.MISSING, header=name, found=other[:80])
    # Several signatures may be tried, but of two ids or times nobody knows which was signed.
    if name != SIGNATURE and (len(values) > 1 or "," in values[0]):
        return Finding(part, Check.FAIL, Fault.TWICE, header=name)
    return None


def _judge_id(headers: Mapping[str, Sequence[str]], sent: Sent | None) -> Finding:
    if missing := _judge_presence(Part.ID, ID, headers):
        return missing
    given = headers[ID][0]
    if decode(given, prefix="evt") is None:
        return Finding(Part.ID, Check.FAIL, Fault.NOT_OURS, header=ID, found=given[:80])
    if sent is None:
        return Finding(Part.ID, Check.SKIPPED, Fault.EVENT_UNKNOWN, header=ID, found=given)
    if sent.of_other_mode:
        return Finding(Part.ID, Check.FAIL, Fault.EVENT_OF_OTHER_MODE, header=ID, found=given)
    return Finding(Part.ID, Check.PASS, header=ID, found=given)


def _judge_timestamp(headers: Mapping[str, Sequence[str]], sent: Sent | None, *, at: datetime) -> Finding:
    if missing := _judge_presence(Part.TIMESTAMP, TIMESTAMP, headers):
        return missing
    given = headers[TIMESTAMP][0]
    if MILLISECONDS.fullmatch(given):
        return Finding(Part.TIMESTAMP, Check.FAIL, Fault.MILLISECONDS, header=TIMESTAMP, found=given)
    moment = _moment_of(headers)
    if moment is None:
        return Finding(Part.TIMESTAMP, Check.FAIL, Fault.NO_NUMBER, header=TIMESTAMP, found=given[:40])
    off = int(at.timestamp()) - int(given)
    if sent and sent.seconds and int(given) not in sent.seconds:
        return _timed(Fault.NEVER_SENT, abs(off), moment, Check.FAIL)
    if off > TOLERANCE.total_seconds():
        return _timed(Fault.TOO_OLD, off, moment, Check.FAIL)
    if off < -TOLERANCE.total_seconds():
        return _timed(Fault.IN_FUTURE, -off, moment, Check.FAIL)
    return _timed(None, abs(off), moment, Check.PASS)


def _timed(fault: Fault | None, seconds: int, moment: datetime, mark: Check) -> Finding:
    return Finding(Part.TIMESTAMP, mark, fault, header=TIMESTAMP, seconds=seconds, moment=moment)


def _judge_signature(
    headers: Mapping[str, Sequence[str]], body: bytes, candidates: Sequence[Candidate], *, at: datetime
) -> Finding:
    """Judge how the signature is written; whether it is right is a question of the secret."""
    if missing := _judge_presence(Part.SIGNATURE, SIGNATURE, headers):
        return missing
    text = " ".join(headers[SIGNATURE])[:LONGEST]
    faults = [_written_wrong(token) for token in text.split()]
    if None in faults or not faults:
        return Finding(Part.SIGNATURE, Check.PASS, header=SIGNATURE)
    with_plus = {**headers, SIGNATURE: [text.replace(" ", "+")]}
    if " " in text and any(_fits(one, with_plus, body, at=at) for one in candidates):
        return _signed_wrong(Fault.PLUS_LOST, text, text.index(" "))
    fault, place = next(one for one in faults if one)
    return _signed_wrong(fault, text, place)


def _signed_wrong(fault: Fault, text: str, place: int) -> Finding:
    shown = text[max(place - AROUND, 0) : place + AROUND]
    return Finding(Part.SIGNATURE, Check.FAIL, fault, header=SIGNATURE, place=place, found=shown)


def _written_wrong(token: str) -> tuple[Fault, int] | None:
    """Return what is wrong with how one signature is written, and at which character."""
    if not token.startswith(VERSION):
        return Fault.NO_VERSION, 0
    encoded = token.removeprefix(VERSION)
    if "," in encoded:
        return Fault.JOINED, len(VERSION) + encoded.index(",")
    if strange := re.search(r"[^A-Za-z0-9+/=]", encoded):
        fault = Fault.URL_SAFE if strange[0] in "-_" else Fault.NOT_BASE64
        return fault, len(VERSION) + strange.start()
    try:
        length = len(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError):
        length = -1
    if length < 0 or not PLAIN.fullmatch(encoded):
        return Fault.NOT_BASE64, len(token)
    return None if length == 32 else (Fault.WRONG_LENGTH, len(token))


def _judge_secret(
    headers: Mapping[str, Sequence[str]],
    body: bytes,
    candidates: Sequence[Candidate],
    sent: Sent | None,
    *,
    at: datetime,
) -> Finding:
    """Name the secret that signed: over what was pasted or, if the body was changed, over what we sent."""
    if not candidates:
        return Finding(Part.SECRET, Check.SKIPPED, Fault.NO_SECRETS)
    bodies = [body] if sent is None else [body, sent.body]
    # Those that sign come first: a secret is not called foreign while one of ours fits too.
    for one in sorted(candidates, key=lambda one: one.fault is not None):
        if any(_fits(one, headers, each, at=at) for each in bodies):
            return Finding(Part.SECRET, Check.FAIL if one.fault else Check.PASS, one.fault, found=one.name)
    return Finding(Part.SECRET, Check.FAIL, Fault.NO_SECRET_FITS)


def _judge_body(body: bytes, sent: Sent | None, *, verified: bool) -> Finding:
    if verified or (sent is not None and body == sent.body):
        return Finding(Part.BODY, Check.PASS)
    if not body:
        return Finding(Part.BODY, Check.FAIL, Fault.EMPTY)
    if sent is None:
        return Finding(Part.BODY, Check.SKIPPED, Fault.NOT_COMPARED)
    place = first_difference(body, sent.body)
    fault = _how_changed(body, sent.body)
    return Finding(
        Part.BODY, Check.FAIL, fault, place=place, found=_around(body, place), wanted=_around(sent.body, place)
    )


def first_difference(one: bytes, other: bytes) -> int:
    """Return the first byte at which two texts differ; the shorter one's length if it begins the longer."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _how_changed(body: bytes, sent: bytes) -> Fault:
    plain = body.removeprefix(BOM)
    if plain != body and plain.strip() == sent.strip():
        return Fault.BOM
    if body.strip() == sent.strip():
        return Fault.NEWLINE
    if sent.startswith(body):
        return Fault.CUT
    read, wanted = _read(plain), _read(sent)
    if read is not None and read == wanted:
        # The one difference that is not blank is how letters beyond ASCII are written.
        return Fault.ESCAPED if (b"\\u" in body) != (b"\\u" in sent) else Fault.REWRITTEN
    if (isinstance(read, str) and read.encode("utf-8", "replace") == sent) or plain.strip() in _printed(sent):
        return Fault.QUOTED
    return Fault.MISREAD if plain.strip() in _misread(sent) else Fault.CHANGED


def _read(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _printed(sent: bytes) -> tuple[bytes, ...]:
    """Return the bytes as Python prints them, which is how logs often hold them."""
    text = sent.decode("utf-8", "replace")
    return repr(sent).encode(), repr(text).encode("utf-8", "replace")


def _misread(sent: bytes) -> tuple[bytes, ...]:
    """Return the text as it becomes when its UTF-8 is read as something else and written again."""
    return tuple(sent.decode(alphabet, "replace").encode() for alphabet in ("latin-1", "cp1252", "cp949", "ascii"))


def _around(body: bytes, place: int) -> str:
    """Return what stands around a place, as text in which nothing is invisible."""
    piece = body[max(place - AROUND, 0) : place + AROUND]
    return piece.decode("utf-8", "backslashreplace").encode("unicode_escape").decode("ascii")
