"""What is sealed opens in its own place, with the ring of its time, and nowhere else."""

import base64
import traceback
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.encryption import (
    Key,
    KeyRing,
    Place,
    SealBroken,
    SealingKeyMissing,
    Vault,
    key_id_of,
    mask,
    new_data_key,
)

BAKERY, FLORIST = UUID(int=1), UUID(int=2)
ROW, OTHER_ROW = UUID(int=3), UUID(int=4)
KEY = Key("k1", b"1" * 32)
PLACE = Place(BAKERY, "tenants_credential", "imp_secret", ROW)
HERE: dict[str, Any] = {"table": "tenants_credential", "field": "imp_secret", "row": ROW}

# What an operator could mistake for a key: letters and digits, in any length.
lumps = st.text("ABCDEFabcdef0123456789+/=", min_size=12, max_size=90)


def entry(id_: str, secret: bytes = b"s" * 32) -> str:
    return f"{id_}:{base64.b64encode(secret).decode()}"


def refusal_of(text: str) -> str:
    """Return all that a traceback would say of a ring that is refused; empty for one that is not."""
    try:
        KeyRing.from_text(text)
    except ValueError as error:
        return "".join(traceback.format_exception(error))
    return ""


# Sealing and opening


@given(st.binary(max_size=300))
def test_what_is_sealed_opens_again(plaintext: bytes) -> None:
    """Every value opens in its place as it was sealed, the empty one too."""
    assert KEY.open(KEY.seal(plaintext, PLACE), PLACE) == plaintext


def test_the_same_value_never_looks_the_same() -> None:
    """Two seals of one value differ, so that nobody sees who uses the same keys."""
    assert KEY.seal(b"same", PLACE) != KEY.seal(b"same", PLACE)


def test_ciphertext_does_not_hold_the_value() -> None:
    """A blob shows its version and its key's id, and nothing of what is in it."""
    blob = KEY.seal(b"not-a-secret", PLACE)

    assert b"not-a-secret" not in blob
    assert key_id_of(blob) == "k1"


@pytest.mark.parametrize(
    "moved",
    [
        replace(PLACE, merchant=FLORIST),
        replace(PLACE, table="tenants_merchantkey"),
        replace(PLACE, field="imp_key"),
        replace(PLACE, row=OTHER_ROW),
        # The same letters, cut elsewhere.
        replace(PLACE, table="tenants_credentia", field="limp_secret"),
    ],
    ids=["merchant", "table", "field", "row", "border"],
)
def test_moved_ciphertext_does_not_open(moved: Place) -> None:
    """A blob that was copied to another merchant, table, field or row stays closed."""
    blob = KEY.seal(b"not-a-secret", PLACE)

    with pytest.raises(SealBroken, match="does not open in its place"):
        KEY.open(blob, moved)


def test_swapped_ciphertexts_do_not_open() -> None:
    """Two rows that exchange their blobs both stay closed."""
    vault = Vault(BAKERY, KEY)
    mine = vault.seal(b"first", **HERE)
    other = vault.seal(b"second", **HERE | {"row": OTHER_ROW})

    with pytest.raises(SealBroken):
        vault.open(other, **HERE)
    with pytest.raises(SealBroken):
        vault.open(mine, **HERE | {"row": OTHER_ROW})


def test_another_merchants_vault_does_not_open_mine() -> None:
    """Even with the same key, one merchant's vault opens nothing of another's."""
    blob = Vault(BAKERY, KEY).seal(b"not-a-secret", **HERE)

    with pytest.raises(SealBroken):
        Vault(FLORIST, KEY).open(blob, **HERE)


@given(st.data())
def test_altered_bytes_do_not_open(data: st.DataObject) -> None:
    """Whichever byte is altered, the blob stays closed, with one of our two errors."""
    blob = bytearray(KEY.seal(b"not-a-secret", PLACE))
    position = data.draw(st.integers(0, len(blob) - 1))
    blob[position] ^= data.draw(st.integers(1, 255))

    with pytest.raises((SealBroken, SealingKeyMissing)):
        KEY.open(bytes(blob), PLACE)


@given(st.data())
def test_shortened_bytes_do_not_open(data: st.DataObject) -> None:
    """Wherever a blob is cut, the rest stays closed."""
    blob = KEY.seal(b"not-a-secret", PLACE)
    length = data.draw(st.integers(0, len(blob) - 1))

    with pytest.raises(SealBroken):
        KEY.open(blob[:length], PLACE)


@given(st.binary(max_size=80))
def test_foreign_bytes_do_not_open(foreign: bytes) -> None:
    """Bytes that we never sealed are refused with one of our two errors, whatever they are."""
    with pytest.raises((SealBroken, SealingKeyMissing)):
        KEY.open(foreign, PLACE)


def test_another_key_of_the_same_id_does_not_open() -> None:
    """An id is only a name: a wrong key under the right name opens nothing."""
    blob = KEY.seal(b"not-a-secret", PLACE)

    with pytest.raises(SealBroken):
        Key("k1", b"2" * 32).open(blob, PLACE)


# The key ring


def test_a_ring_is_read_newest_first() -> None:
    """Keys stand in the ring as they are written, separated by commas or lines."""
    ring = KeyRing.from_text(f" {entry('new')},\n{entry('old')}\n")

    assert [key.id for key in ring.keys] == ["new", "old"]
    assert ring.newest.id == "new"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the key ring is empty"),
        (" ,\n", "the key ring is empty"),
        (f"{entry('k1')},{entry('k1', b'x' * 32)}", "two keys of the ring have the same id"),
        (entry(""), "each key of the ring is written id:base64"),
        (entry("k" * 33), "the id at most 32 ASCII characters"),
        (entry("열쇠"), "the id at most 32 ASCII characters"),
        (entry("k1").partition(":")[2], "each key of the ring is written id:base64"),
        ("k1:*", "key 'k1' of the ring is not base64"),
        ("k1:열쇠", "key 'k1' of the ring is not base64"),
        ("k1:", "key 'k1' of the ring has 0 bytes, not 32"),
        (entry("k1", b"short"), "key 'k1' of the ring has 5 bytes, not 32"),
    ],
)
def test_a_ring_that_cannot_be_read_is_refused_with_its_fault(text: str, fault: str) -> None:
    """The refusal names what is wrong, and which key by its id."""
    with pytest.raises(ValueError, match=fault):
        KeyRing.from_text(text)


@given(lumps)
def test_a_refused_ring_never_shows_a_key(secret: str) -> None:
    """Whatever stands where the key should, the refusal does not repeat it."""
    assert secret not in refusal_of(f"k1:{secret}")


def test_a_key_without_its_id_is_not_shown() -> None:
    """A key that was pasted without an id is refused without being repeated."""
    alone = entry("k1").partition(":")[2]

    assert alone not in refusal_of(alone)


# Envelopes and rotation


def test_the_ring_wraps_a_data_key_and_unwraps_it() -> None:
    """A data key comes out of its envelope as it went in."""
    ring, data_key = KeyRing.from_text(entry("k1")), new_data_key()

    assert ring.unwrap(ring.wrap(data_key, PLACE), PLACE) == data_key


def test_an_envelope_of_another_merchant_does_not_open() -> None:
    """A wrapped data key that was put into another merchant's row opens nothing there."""
    ring = KeyRing.from_text(entry("k1"))
    wrapped = ring.wrap(new_data_key(), PLACE)

    with pytest.raises(SealBroken):
        ring.unwrap(wrapped, replace(PLACE, merchant=FLORIST))


def test_a_new_key_in_front_still_opens_what_the_old_one_wrapped() -> None:
    """With the new key in front, old envelopes open and new ones are made with the new key."""
    old, data_key = KeyRing.from_text(entry("old")), new_data_key()
    both = KeyRing.from_text(f"{entry('new', b'n' * 32)},{entry('old')}")
    wrapped = old.wrap(data_key, PLACE)

    assert both.unwrap(wrapped, PLACE) == data_key
    assert not both.is_current(wrapped)
    assert both.is_current(both.wrap(data_key, PLACE))


def test_after_a_rewrap_the_old_key_can_be_dropped() -> None:
    """Once wrapped anew, a data key needs the new key only, and what it sealed still opens."""
    data_key, both = new_data_key(), KeyRing.from_text(f"{entry('new', b'n' * 32)},{entry('old')}")
    sealed = Vault(BAKERY, data_key).seal(b"not-a-secret", **HERE)
    wrapped = KeyRing.from_text(entry("old")).wrap(data_key, PLACE)

    rewrapped = both.wrap(both.unwrap(wrapped, PLACE), PLACE)

    only_new = KeyRing.from_text(entry("new", b"n" * 32))
    assert Vault(BAKERY, only_new.unwrap(rewrapped, PLACE)).open(sealed, **HERE) == b"not-a-secret"


def test_a_key_that_was_dropped_too_early_is_named() -> None:
    """An envelope whose key left the ring says which key is to be put back."""
    wrapped = KeyRing.from_text(entry("old")).wrap(new_data_key(), PLACE)

    with pytest.raises(SealingKeyMissing, match="SEALING_KEYS lacks the key 'old': add it to the ring again"):
        KeyRing.from_text(entry("new")).unwrap(wrapped, PLACE)


def test_a_shredded_merchant_has_nothing_to_open() -> None:
    """Without its data key's envelope a merchant's values are gone, whatever ring there is."""
    with pytest.raises(SealBroken, match="not a sealed value"):
        KeyRing.from_text(entry("k1")).unwrap(b"", PLACE)


def test_data_keys_are_new_each_time() -> None:
    """No two merchants share a data key or its id."""
    one, other = new_data_key(), new_data_key()

    assert one.secret != other.secret
    assert one.id != other.id
    assert len(one.secret) == 32


# Masks


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32))
def test_a_mask_is_its_own_inverse(block: bytes, nonce: bytes, secret: bytes) -> None:
    """Masking twice with the same nonce gives back what was hidden."""
    assert mask(mask(block, nonce=nonce, secret=secret), nonce=nonce, secret=secret) == block


def test_a_mask_looks_different_under_each_nonce() -> None:
    """One merchant's id is hidden differently on each page, so pages cannot be told to belong together."""
    block, secret = BAKERY.bytes, b"m" * 32

    masked = {mask(block, nonce=bytes([number]) * 16, secret=secret) for number in range(100)}

    assert len(masked) == 100
    assert block not in masked
