"""Outside ids: a prefix and 26 Crockford characters of a UUID."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from results.core.ids import decode, encode, lowest_id

NOTHING = UUID(int=0)
EVERYTHING = UUID(int=2**128 - 1)


@given(st.uuids())
def test_an_outside_id_leads_back_to_its_uuid(value: UUID) -> None:
    """Every UUID has one outside id, and that id leads back to it."""
    text = encode("evt", value)

    assert decode(text, prefix="evt") == value


def test_an_outside_id_has_a_prefix_and_26_characters() -> None:
    """An outside id is a prefix, an underscore and 26 upper-case characters without I, L, O and U."""
    assert encode("pay", NOTHING) == "pay_" + "0" * 26
    assert encode("mer", EVERYTHING) == "mer_7" + "Z" * 25


@given(st.uuids(), st.uuids())
def test_outside_ids_sort_as_their_uuids(one: UUID, other: UUID) -> None:
    """Outside ids sort as their UUIDs do, so that a UUIDv7 sorts by age."""
    assert (encode("evt", one) < encode("evt", other)) == (one.int < other.int)


def test_case_does_not_matter() -> None:
    """An id that a person typed in lower case is the same id."""
    value = UUID(int=0x0192_8C4F_AB12_7DEF_8123_4567_89AB_CDEF)
    text = encode("evt", value)

    assert decode("evt_" + text[4:].lower(), prefix="evt") == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "evt",
        "evt_",
        "pay_" + "0" * 26,
        "EVT_" + "0" * 26,
        "evt-" + "0" * 26,
        "evt_" + "0" * 25,
        "evt_" + "0" * 27,
        "evt_" + "0" * 25 + "I",
        "evt_" + "0" * 25 + "L",
        "evt_" + "0" * 25 + "O",
        "evt_" + "0" * 25 + "U",
        "evt_" + "0" * 25 + "_",
        "evt_" + "0" * 25 + "ſ",  # upper-cases to S
        "evt_" + "0" * 25 + "٣",  # an Arabic digit
        "evt_" + "0" * 25 + "\n",
        "evt_8" + "0" * 25,  # one more than 128 bits hold
        "evt_" + "Z" * 26,
        " evt_" + "0" * 26,
    ],
)
def test_odd_ids_are_no_ids(text: str) -> None:
    """Whatever is no outside id of this kind reads as None, never as another row and never as an error."""
    assert decode(text, prefix="evt") is None


@given(st.text(max_size=40))
def test_any_text_can_be_read(text: str) -> None:
    """Reading never raises, and a text that reads is the written id up to its case."""
    value = decode(text, prefix="evt")

    assert value is None or encode("evt", value)[4:] == text[4:].upper()


def test_the_lowest_id_of_a_moment_parts_before_from_after() -> None:
    """Every id that was made before a moment's millisecond is lower, and every other one is not."""
    moment = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
    milliseconds = int(moment.timestamp() * 1000)

    lowest = lowest_id(moment)

    assert (lowest.version, lowest.variant) == (7, "specified in RFC 4122")
    assert lowest.int >> 80 == milliseconds
    assert UUID(int=((milliseconds - 1) << 80) | (1 << 80) - 1) < lowest
    assert lowest_id(moment + timedelta(milliseconds=1)) > lowest


def test_ids_are_made_between_the_lowest_of_before_and_after() -> None:
    """What the library makes now lies between this millisecond's lowest id and a later one's."""
    before = datetime.now(UTC)

    made = uuid7()

    assert lowest_id(before) <= made < lowest_id(datetime.now(UTC) + timedelta(milliseconds=1))
