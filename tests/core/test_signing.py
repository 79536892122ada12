"""Signatures of callbacks: Standard Webhooks v1, judged by the reference library."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from results.core.signing import BadSecret, SigningSecret, sign, verify

AT = datetime.fromtimestamp(1795151564, UTC)
BODY = b'{"id":"evt_01KB3Z60C7","type":"endpoint.ping"}'
BAKERY = SigningSecret.from_text("whsec_Y2FsbGJhY2sta2V5LWZvci1kb2NzLW9ubHktMzJieXQ=")
FLORIST = SigningSecret.generate(b"florist-key-for-tests-only-32byt")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3),
    max_leaves=6,
)


def signed(body: bytes = BODY, *secrets: SigningSecret, at: datetime = AT) -> dict[str, str]:
    return sign(body, message_id="evt_01KB3Z60C7", at=at, secrets=secrets or [BAKERY])


def test_worked_example() -> None:
    """The documented example of a callback's signature holds to the last character."""
    headers = signed()

    assert headers == {
        "webhook-id": "evt_01KB3Z60C7",
        "webhook-timestamp": "1795151564",
        "webhook-signature": "v1,Iqj7o05bLuGnPtdFU0kS+YAqbC2o5b+loCZ/lbt7IU4=",
    }


@given(JSON)
def test_the_reference_library_believes_us(content: object) -> None:
    """Whatever the body says, the reference library of Standard Webhooks verifies our headers."""
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")

    headers = sign(body, message_id="evt_1", at=datetime.now(UTC), secrets=[BAKERY])

    Webhook(BAKERY.to_text()).verify(body, headers)


def test_we_believe_the_reference_library() -> None:
    """A message that the reference library signed verifies here, as PortOne V2's will."""
    signature = Webhook(BAKERY.to_text()).sign("msg_1", AT, BODY.decode())
    headers = {"Webhook-Id": "msg_1", "Webhook-Timestamp": "1795151564", "Webhook-Signature": signature}

    assert verify(BODY, headers, secrets=[BAKERY], at=AT)


def test_both_secrets_sign_while_one_retires() -> None:
    """During a rotation either secret alone verifies the message."""
    headers = signed(BODY, FLORIST, BAKERY)

    assert len(headers["webhook-signature"].split(" ")) == 2
    assert verify(BODY, headers, secrets=[BAKERY], at=AT)
    assert verify(BODY, headers, secrets=[FLORIST], at=AT)


def test_another_merchants_secret_verifies_nothing() -> None:
    """The florist's secret does not verify what the bakery's signed."""
    assert not verify(BODY, signed(BODY, BAKERY), secrets=[FLORIST], at=AT)


def test_without_a_secret_nothing_is_believed() -> None:
    """An empty list of secrets verifies nothing."""
    assert not verify(BODY, signed(), secrets=[], at=AT)


@pytest.mark.parametrize("part", ["body", "webhook-id", "webhook-timestamp"])
def test_a_changed_message_is_not_believed(part: str) -> None:
    """Body, id and time are all under the signature."""
    headers = signed()
    body = BODY + b" " if part == "body" else BODY
    if part != "body":
        headers[part] = headers[part][:-1] + "5"

    assert not verify(body, headers, secrets=[BAKERY], at=AT)


@pytest.mark.parametrize(("late", "believed"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_old_and_future_messages_are_not_believed(late: int, believed: bool) -> None:
    """A message is believed for five minutes to either side of its time, and not a second longer."""
    assert verify(BODY, signed(), secrets=[BAKERY], at=AT + timedelta(seconds=late)) is believed


def test_the_zone_does_not_change_the_moment() -> None:
    """A moment in Seoul's zone signs the same second as in UTC."""
    seoul = AT.astimezone(timezone(timedelta(hours=9)))

    assert signed(at=seoul) == signed(at=AT)


def test_a_fraction_of_a_second_is_cut() -> None:
    """The timestamp counts whole seconds."""
    assert signed(at=AT + timedelta(milliseconds=999)) == signed(at=AT)


def test_a_naive_moment_is_refused() -> None:
    """A moment without a zone is our own mistake: signed in silence it would be hours off."""
    with pytest.raises(ValueError, match="time zone"):
        signed(at=AT.replace(tzinfo=None))


@pytest.mark.parametrize("message_id", ["", "evt 1", "evt\r\nx: y", "evt.1", "이벤트"])
def test_ids_that_a_header_cannot_carry_are_refused(message_id: str) -> None:
    """An id that could break a header or move the dots of the signed text is never signed."""
    with pytest.raises(ValueError, match="id"):
        sign(BODY, message_id=message_id, at=AT, secrets=[BAKERY])


def test_nothing_is_sent_unsigned() -> None:
    """Signing without a secret is refused, so no message leaves without a signature."""
    with pytest.raises(ValueError, match="secret"):
        sign(BODY, message_id="evt_1", at=AT, secrets=[])


def test_a_repeated_signature_header_is_read_whole() -> None:
    """A signature header that came twice is read as one list, whichever of the two holds."""
    headers: dict[str, str | list[str]] = {**signed()}
    headers["webhook-signature"] = ["v1,AAAA", str(headers["webhook-signature"])]

    assert verify(BODY, headers, secrets=[BAKERY], at=AT)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
def test_a_repeated_id_or_time_is_ambiguous(name: str) -> None:
    """An id or a time that came twice is not believed, even when both say the same."""
    headers: dict[str, Any] = {**signed()}
    headers[name] = [headers[name], headers[name]]

    assert not verify(BODY, headers, secrets=[BAKERY], at=AT)


HOSTILE: list[Any] = [
    "",
    "v1",
    "v1,",
    "v1,%%%",
    "v2,Iqj7o05bLuGnPtdFU0kS+YAqbC2o5b+loCZ/lbt7IU4=",
    ",,,,",
    "v1,가나다",
    "\ud800",
    "nan",
    "inf",
    "-1",
    "1e9",
    "１７９５１５１５６４",
    "9" * 5000,
    None,
    7,
    b"v1",
    [],
    [None],
]


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_hostile_headers_are_disbelieved_in_silence(name: str, value: Any) -> None:
    """No header, however odd, verifies or raises."""
    headers: dict[str, Any] = {**signed(), name: value}

    assert verify(BODY, headers, secrets=[BAKERY], at=AT) is False


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_disbelieved(name: str) -> None:
    """All three headers are needed."""
    headers = signed()
    del headers[name]

    assert verify(BODY, headers, secrets=[BAKERY], at=AT) is False


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text(), max_size=3)), st.binary())
def test_no_stranger_is_believed(headers: dict[str, Any], body: bytes) -> None:
    """Headers and bodies of chance never verify and never raise."""
    assert verify(body, headers, secrets=[BAKERY], at=AT) is False


def test_bytes_that_are_no_text_are_signed_as_they_are() -> None:
    """The exact bytes are signed, whether or not they are text."""
    body = b"\xff\x00\xfe"

    assert verify(body, signed(body), secrets=[BAKERY], at=AT)


@given(st.binary(min_size=24, max_size=64))
def test_a_secret_survives_its_text(key: bytes) -> None:
    """A secret read from its text is the same secret, with or without the padding."""
    text = SigningSecret(key).to_text()

    assert SigningSecret.from_text(text) == SigningSecret(key) == SigningSecret.from_text(text.rstrip("="))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "Y2FsbGJhY2s=",
        "whsec_c2hvcnQ=",
        "whsec_!!!!" + "A" * 40,
        "whsec_" + "A" * 41,
        "whsec_가",
        "WHSEC_" + "A" * 44,
    ],
)
def test_odd_secrets_are_refused_without_repeating_them(text: str) -> None:
    """A text that is no secret is refused, and the error does not carry it into a log."""
    with pytest.raises(BadSecret) as refused:
        SigningSecret.from_text(text)

    assert len(text) < 8 or text not in str(refused.value)


def test_a_secret_does_not_print_itself() -> None:
    """A secret in a log line or a traceback does not show its key."""
    shown = repr(BAKERY)

    assert "callback" not in shown
    assert base64.b64encode(BAKERY.key).decode() not in shown


def test_new_secrets_differ() -> None:
    """A new secret has 32 bytes and is nobody else's."""
    one, other = SigningSecret.generate(), SigningSecret.generate()

    assert len(one.key) == 32
    assert one != other
