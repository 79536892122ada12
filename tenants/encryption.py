"""How a merchant's secrets are kept: AES-256-GCM envelopes, pure and without a database.

A *key ring* (from the environment or a file) wraps one *data key* for each merchant; the data key seals that
merchant's values. Every blob names the key that made it, and its associated data binds it to one merchant, table,
field and row, so that ciphertext which was moved or swapped does not open. Rotation re-wraps data keys; deleting a
data key shreds everything it sealed.

    SealingError
    ├── SealingKeyMissing   the ring lacks the key that a blob names: the operator adds it back
    └── SealBroken          altered, moved or foreign ciphertext: nobody can open it
"""

import base64
import os
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
NONCE_BYTES = 12
KEY_BYTES = 32


class SealingError(Exception):
    """A sealed value cannot be used."""


class SealingKeyMissing(SealingError):
    """The key ring lacks the key that a blob names; add that key to SEALING_KEYS again."""


class SealBroken(SealingError):
    """The blob was altered, or moved away from the merchant, table, field or row it was sealed for."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value belongs; it opens nowhere else."""

    merchant: UUID
    table: str
    field: str
    row: UUID

    def as_bytes(self) -> bytes:
        return b"\x1f".join((self.merchant.bytes, self.table.encode(), self.field.encode(), self.row.bytes))


@dataclass(frozen=True, slots=True)
class Key:
    """One AES-256 key and the short id by which blobs name it."""

    id: str
    secret: bytes = field(repr=False)

    def seal(self, plaintext: bytes, place: Place) -> bytes:
        """Return version, key id, nonce and ciphertext as one blob."""
        head = bytes([VERSION, len(self.id)]) + self.id.encode()
        nonce = os.urandom(NONCE_BYTES)
        return head + nonce + AESGCM(self.secret).encrypt(nonce, plaintext, head + place.as_bytes())

    def open(self, blob: bytes, place: Place) -> bytes:
        """Return the plaintext, or raise SealingKeyMissing or SealBroken."""
        if (named := key_id_of(blob)) != self.id:
            raise SealingKeyMissing(f"sealed with key {named!r}, opened with {self.id!r}")
        start = 2 + blob[1]
        nonce, ciphertext = blob[start : start + NONCE_BYTES], blob[start + NONCE_BYTES :]
        try:
            return AESGCM(self.secret).decrypt(nonce, ciphertext, blob[:start] + place.as_bytes())
        except (InvalidTag, ValueError) as error:
            raise SealBroken(f"{place.table}.{place.field} does not open in its place") from error


def key_id_of(blob: bytes) -> str:
    """Return the id of the key that made the blob, without opening it."""
    if len(blob) < 2 or blob[0] != VERSION or len(blob) < 2 + blob[1] + NONCE_BYTES:
        raise SealBroken("not a sealed value")
    return blob[2 : 2 + blob[1]].decode("ascii", "replace")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The sealing keys of this installation, newest first. The newest wraps; all of them unwrap."""

    keys: tuple[Key, ...]

    @classmethod
    def from_text(cls, text: str) -> "KeyRing":
        """Read `id:base64,id:base64`; raise ValueError that names the fault and never the key."""
        keys = tuple(_read_key(part.strip()) for part in text.replace("\n", ",").split(",") if part.strip())
        if not keys:
            raise ValueError("the key ring is empty")
        if len({key.id for key in keys}) != len(keys):
            raise ValueError("two keys of the ring have the same id")
        return cls(keys)

    @property
    def newest(self) -> Key:
        return self.keys[0]

    def wrap(self, data_key: Key, place: Place) -> bytes:
        return self.newest.seal(data_key.id.encode() + b":" + data_key.secret, place)

    def unwrap(self, blob: bytes, place: Place) -> Key:
        """Return the data key, or raise SealingKeyMissing when no key of the ring made the blob."""
        id_, _, secret = self.key_of(blob).open(blob, place).partition(b":")
        return Key(id_.decode(), secret)

    def key_of(self, blob: bytes) -> Key:
        """Return the key of the ring that made the blob, or raise SealingKeyMissing."""
        named = key_id_of(blob)
        for key in self.keys:
            if key.id == named:
                return key
        raise SealingKeyMissing(f"SEALING_KEYS lacks the key {named!r}: add it to the ring again")

    def is_current(self, blob: bytes) -> bool:
        return key_id_of(blob) == self.newest.id


def _read_key(text: str) -> Key:
    id_, separator, encoded = text.partition(":")
    if not separator or not id_.isascii() or not id_.isprintable() or not 0 < len(id_) <= 32:
        raise ValueError("each key of the ring is written id:base64, the id at most 32 ASCII characters")
    try:
        secret = base64.b64decode(encoded, validate=True)
    except ValueError:  # without its cause, which is not ours to word
        raise ValueError(f"key {id_!r} of the ring is not base64") from None
    if len(secret) != KEY_BYTES:
        raise ValueError(f"key {id_!r} of the ring has {len(secret)} bytes, not {KEY_BYTES}")
    return Key(id_, secret)


def new_data_key() -> Key:
    """Return a fresh random key with a random id."""
    return Key(os.urandom(6).hex(), os.urandom(KEY_BYTES))


@dataclass(frozen=True, slots=True)
class Vault:
    """One merchant's opened data key: what seals and opens that merchant's values."""

    merchant: UUID
    key: Key = field(repr=False)

    def seal(self, plaintext: bytes, *, table: str, field: str, row: UUID) -> bytes:
        return self.key.seal(plaintext, Place(self.merchant, table, field, row))

    def open(self, blob: bytes, *, table: str, field: str, row: UUID) -> bytes:
        """Return the plaintext, or raise SealingKeyMissing or SealBroken."""
        return self.key.open(bytes(blob), Place(self.merchant, table, field, row))


def mask(block: bytes, *, nonce: bytes, secret: bytes) -> bytes:
    """Hide or reveal a short public identifier (AES-256-CTR, its own inverse).

    This keeps a merchant's id out of sight, no more: it authenticates nothing, so what it hides must be looked up
    together with the random nonce (16 bytes, never used twice).
    """
    encryptor = Cipher(algorithms.AES(secret), modes.CTR(nonce)).encryptor()
    return encryptor.update(block) + encryptor.finalize()
