"""The diagnosis of a callback that was not believed, judged by the standardwebhooks library."""

import json
import string
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from results.core.diagnosis import Candidate, Diagnosis, Fault, Part, Sent, diagnose, first_difference
from results.core.held_secret import Held, judge_held
from results.core.ids import encode
from results.core.pasted import read_pasted
from results.core.signing import SigningSecret, sign
from results.core.words import Check

SECRET, OLD, FOREIGN = (SigningSecret(bytes([number]) * 32) for number in (1, 2, 3))
OURS = (Candidate("new", SECRET), Candidate("old", OLD))
EVENT = encode("evt", UUID(int=7))
BODY = '{"id":"evt_1","type":"endpoint.ping","data":{"이름":"소금빵"}}'.encode()


def now() -> datetime:
    """The library reads the clock itself, so ours has to be the same."""
    return datetime.now(UTC).replace(microsecond=0)


def signed(body: bytes = BODY, at: datetime | None = None, secret: SigningSecret = SECRET) -> dict[str, list[str]]:
    headers = sign(body, message_id=EVENT, at=at or now(), secrets=[secret])
    return {name: [value] for name, value in headers.items()}


def judge(
    headers: Mapping[str, Sequence[str]],
    body: bytes = BODY,
    *,
    sent: Sent | None = None,
    at: datetime | None = None,
    receiver_says: datetime | None = None,
) -> Diagnosis:
    return diagnose(headers, body, candidates=OURS, sent=sent, at=at or now(), receiver_says=receiver_says)


def library_believes(headers: Mapping[str, Sequence[str]], body: bytes, secret: SigningSecret) -> bool:
    try:
        Webhook(secret.to_text()).verify(body, {name: values[0] for name, values in headers.items()}, json_parse=False)
    except Exception:
        return False
    return True


def test_a_right_callback_is_right_in_every_part() -> None:
    """What we sent is believed, and the secret that signed is named."""
    found = judge(signed(), sent=Sent(BODY))

    assert found.valid
    assert {finding.mark for finding in found.findings} == {Check.PASS}
    assert found.signed_with == "new"


@given(body=st.binary(max_size=200).filter(lambda body: b"\r" not in body))
def test_what_is_right_is_what_the_library_believes(body: bytes) -> None:
    """An untouched callback of any UTF-8 body is valid here and there."""
    text = body.decode("utf-8", "replace").encode()
    headers = signed(text)

    assert judge(headers, text).valid
    assert library_believes(headers, text, SECRET)


@given(
    part=st.sampled_from(["id", "timestamp", "signature", "body", "secret"]),
    place=st.integers(0, 200),
    instead=st.sampled_from(string.ascii_letters + string.digits + " ,+/=-_."),
)
def test_a_changed_callback_is_valid_only_if_the_library_believes_it(part: str, place: int, instead: str) -> None:
    """Whatever character is changed in whatever part, both say the same, and what is wrong is named."""
    headers, body = signed(secret=FOREIGN if part == "secret" else SECRET), BODY
    if part == "body":
        text = BODY.decode()
        at = place % len(text)
        body = (text[:at] + instead + text[at + 1 :]).encode()
    elif part != "secret":
        name = f"webhook-{part}"
        value = headers[name][0]
        at = place % len(value)
        headers[name] = [value[:at] + instead + value[at + 1 :]]

    found = judge(headers, body, sent=Sent(BODY))

    # Last bits of base64 that carry nothing are read by the library and not by us: we say no where it says yes.
    believed = any(library_believes(headers, body, one.secret) for one in OURS)
    assert believed or not found.valid
    if not found.valid:
        assert any(finding.mark == Check.FAIL for finding in found.findings)
    if part in ("body", "secret"):
        assert found.valid == believed


@given(seconds=st.integers(-2000, 2000))
def test_the_clock_is_judged_as_the_library_does(seconds: int) -> None:
    """Five minutes to either side are believed, and the side is named."""
    at = now()
    headers = signed(at=at + timedelta(seconds=seconds))

    found = judge(headers, at=at)

    if abs(abs(seconds) - 300) > 3:  # the library's clock goes on while we look
        assert found.valid == library_believes(headers, BODY, SECRET)
    finding = found.of(Part.TIMESTAMP)
    assert finding.fault == (Fault.TOO_OLD if seconds < -300 else Fault.IN_FUTURE if seconds > 300 else None)
    assert finding.seconds == abs(seconds)
    assert found.fits == ("new",)


@given(place=st.integers(0, len(BODY) - 1), instead=st.integers(0, 255))
def test_the_first_byte_that_differs_is_named(place: int, instead: int) -> None:
    """A body is compared with the frozen event byte by byte."""
    body = BODY[:place] + bytes([instead]) + BODY[place + 1 :]

    finding = judge(signed(), body, sent=Sent(BODY)).of(Part.BODY)

    if instead == BODY[place]:
        assert finding.mark == Check.PASS
    else:
        assert finding.place == place
        assert finding.found != finding.wanted


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_before_the_first_difference_all_is_the_same(one: bytes, other: bytes) -> None:
    """The place is the length of what both begin with."""
    place = first_difference(one, other)

    assert one[:place] == other[:place]
    assert one == other or one[place : place + 1] != other[place : place + 1]


@given(st.text(max_size=300), st.binary(max_size=100))
def test_nothing_that_is_pasted_raises(text: str, body: bytes) -> None:
    """Whatever is pasted is judged, and never believed."""
    headers = read_pasted(text).headers | read_pasted(f"webhook-id: {text}\nwebhook-timestamp: {text}").headers

    assert not judge(headers, body, sent=Sent(BODY)).valid


@given(st.lists(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), min_size=1))
def test_a_missing_header_is_named(missing: list[str]) -> None:
    """Each header that is not there is missing, whatever else is wrong."""
    headers = {name: values for name, values in signed().items() if name not in missing}

    found = judge(headers)

    assert not found.valid
    named = {finding.header for finding in found.findings if finding.fault == Fault.MISSING}
    assert named == set(missing)


@pytest.mark.parametrize(
    ("header", "change", "fault"),
    [
        ("webhook-id", lambda text: "msg_1", Fault.NOT_OURS),
        ("webhook-id", lambda text: f"{text}, {text}", Fault.TWICE),
        ("webhook-timestamp", lambda text: text + "000", Fault.MILLISECONDS),
        ("webhook-timestamp", lambda text: "2026-11-21T05:12:00Z", Fault.NO_NUMBER),
        ("webhook-signature", lambda text: text.removeprefix("v1,"), Fault.NO_VERSION),
        ("webhook-signature", lambda text: "v1," + "-" + text[4:], Fault.URL_SAFE),
        ("webhook-signature", lambda text: text[:-2], Fault.NOT_BASE64),
        ("webhook-signature", lambda text: f"{text},{text}", Fault.JOINED),
        ("webhook-signature", lambda text: "v1,AAAA", Fault.WRONG_LENGTH),
        ("webhook-signature", lambda text: "v1,!" + text[4:], Fault.NOT_BASE64),
    ],
)
def test_each_fault_of_a_header_has_its_name(header: str, change: object, fault: Fault) -> None:
    """A header that is written wrongly is told how."""
    assert callable(change)
    headers = signed()
    headers[header] = [change(headers[header][0])]

    found = judge(headers, sent=Sent(BODY))

    assert fault in {finding.fault for finding in found.findings if finding.header == header}


def test_a_plus_that_became_a_space_is_noticed() -> None:
    """A header that was decoded like a form is right but for the lost plus signs."""
    bodies = (b'{"number":%d}' % number for number in range(100))
    body = next(body for body in bodies if "+" in signed(body)["webhook-signature"][0])
    headers = signed(body)
    headers["webhook-signature"] = [headers["webhook-signature"][0].replace("+", " ")]

    assert judge(headers, body).of(Part.SIGNATURE).fault == Fault.PLUS_LOST


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (BODY + b"\n", Fault.NEWLINE),
        (BODY + b"\r\n", Fault.NEWLINE),
        (b"\xef\xbb\xbf" + BODY, Fault.BOM),
        (json.dumps(json.loads(BODY), ensure_ascii=False).encode(), Fault.REWRITTEN),
        (json.dumps(json.loads(BODY), separators=(",", ":")).encode(), Fault.ESCAPED),
        (json.dumps(BODY.decode()).encode(), Fault.QUOTED),
        (repr(BODY).encode(), Fault.QUOTED),
        (BODY.decode("latin-1").encode(), Fault.MISREAD),
        (BODY.decode("ascii", "replace").encode(), Fault.MISREAD),
        (BODY[:-5], Fault.CUT),
        (BODY.replace(b"ping", b"pong"), Fault.CHANGED),
        (b"", Fault.EMPTY),
    ],
)
def test_each_change_of_a_body_has_its_name(body: bytes, fault: Fault) -> None:
    """The usual ways to spoil a body are told apart, and the secret is still found over what we sent."""
    found = judge(signed(), body, sent=Sent(BODY))

    assert found.of(Part.BODY).fault == fault
    assert found.of(Part.SECRET).mark == Check.PASS
    assert not found.valid


def test_an_old_secret_is_told_from_the_new() -> None:
    """While a secret retires, a message that only it signed names it."""
    assert judge(signed(secret=OLD)).signed_with == "old"


def test_a_foreign_secret_fits_nothing() -> None:
    """None of ours signed it: nothing more is said, and never what would be right."""
    found = judge(signed(secret=FOREIGN), sent=Sent(BODY))

    assert found.of(Part.SECRET).fault == Fault.NO_SECRET_FITS
    right = signed()["webhook-signature"][0].removeprefix("v1,")
    assert right not in repr(found)
    assert SECRET.to_text() not in repr(found)


def test_a_second_at_which_nothing_was_sent_is_noticed() -> None:
    """When we know at which seconds an event went out, another one was made up."""
    at = now()
    sent = Sent(BODY, frozenset({int(at.timestamp()) - 40}))

    assert judge(signed(at=at), sent=sent, at=at).of(Part.TIMESTAMP).fault == Fault.NEVER_SENT


def test_the_receivers_clock_is_compared_with_ours() -> None:
    """Which clock is wrong shows only when both are known."""
    at = now()

    assert judge(signed(at=at), at=at, receiver_says=at + timedelta(minutes=7)).ahead == 420
    assert judge(signed(at=at), at=at).ahead is None


def test_a_header_that_a_proxy_renamed_is_found() -> None:
    """A header under another name is not just missing: where it went is named."""
    headers = signed()
    headers["x-original-webhook-id"] = headers.pop("webhook-id")

    finding = judge(headers).of(Part.ID)

    assert (finding.fault, finding.found) == (Fault.RENAMED, "x-original-webhook-id")


@pytest.mark.parametrize("fault", [Fault.OF_OTHER_MODE, Fault.RETIRED])
def test_a_secret_that_does_not_sign_here_is_named_and_believed_nowhere(fault: Fault) -> None:
    """What the other mode's secret or a retired one signed is told so, and is not valid."""
    others = (*OURS, Candidate("other", FOREIGN, fault))

    found = diagnose(signed(secret=FOREIGN), BODY, candidates=others, sent=Sent(BODY), at=now())

    assert (found.of(Part.SECRET).fault, found.signed_with, found.valid) == (fault, "other", False)


def test_an_event_of_the_other_mode_is_told() -> None:
    """A test callback at the live server is not just unknown."""
    assert judge(signed(), sent=Sent(BODY, of_other_mode=True)).of(Part.ID).fault == Fault.EVENT_OF_OTHER_MODE


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (SECRET.to_text(), Held.RIGHT),
        (SECRET.to_text().removeprefix("whsec_"), Held.RIGHT),
        (f'"{SECRET.to_text()}"\n', Held.BLANK),
        (OLD.to_text(), Held.RETIRED),
        (SigningSecret(b"4" * 32).to_text(), Held.OF_OTHER_MODE),
        (FOREIGN.to_text(), Held.FOREIGN),
        ("my secret", Held.ILLEGIBLE),
        ("", Held.ILLEGIBLE),
    ],
)
def test_the_secret_that_a_server_holds_is_told_apart(text: str, held: Held) -> None:
    """Right, right but quoted, the other mode's, a retired one, nobody's, or no secret at all."""
    known = (
        Candidate("new", SECRET),
        Candidate("old", OLD, Fault.RETIRED),
        Candidate("test", SigningSecret(b"4" * 32), Fault.OF_OTHER_MODE),
    )

    assert judge_held(text, known)[0] == held
