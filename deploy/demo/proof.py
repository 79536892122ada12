"""Does anything that must stay secret stand in the logs or in the database, in whatever spelling?"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

TABLES = """
SELECT table_schema, table_name FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found, and how much was searched."""

    faults: list[str]
    extent: str


@dataclass(frozen=True, slots=True)
class Text:
    """One log or one table's rows, as bytes."""

    name: str
    content: bytes


def prove(logs: Iterable[Path], url: str, secrets: Mapping[str, str], *, seen: Iterable[str]) -> Proof:
    """Search every log and every table for the secrets.

    `seen` are words that must be found, since a search that finds nothing at all proves nothing.
    """
    tables, written = read_tables(url), read_logs(logs)
    texts = [*tables, *written]
    faults = find_leaks(texts, secrets)
    for word in seen:
        faults += [] if find_leaks(texts, {"word": word}) else [f"the search is blind: it does not find {word}"]
    size = sum(len(text.content) for text in texts) // 1024
    return Proof(faults, f"{len(tables)} tables, {len(written)} logs, {size:,} KiB searched")


def find_leaks(texts: Iterable[Text], secrets: Mapping[str, str]) -> list[str]:
    """Return where a secret was found, named but never repeated."""
    spelt = {name: spellings(secret) for name, secret in secrets.items()}
    leaks = []
    for text in texts:
        content = text.content.lower()
        found = (name for name, words in spelt.items() if any(word.lower() in content for word in words))
        leaks += [f"{name} stands in {text.name}" for name in found]
    return leaks


def spellings(secret: str) -> set[bytes]:
    """Return the ways in which a text may stand somewhere: as it is, in JSON, in a URL, in hex and in base64."""
    plain = secret.encode()
    in_json, in_url = json.dumps(secret)[1:-1], quote(secret, safe="")
    words = {plain, in_json.encode(), in_url.encode(), binascii.hexlify(plain)}
    # A table's rows write a backslash twice.
    words.add(in_json.replace("\\", "\\\\").encode())
    return words | set(_in_base64(plain))


def _in_base64(plain: bytes) -> Iterator[bytes]:
    """Yield what stays the same wherever the text begins within a longer one that is encoded."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + plain)
        first, last = -(-before * 4 // 3), len(encoded) - (0, 3, 2)[(before + len(plain)) % 3]
        yield encoded[first:last]
        yield encoded[first:last].translate(bytes.maketrans(b"+/", b"-_"))


def read_logs(paths: Iterable[Path]) -> list[Text]:
    return [Text(path.name, path.read_bytes()) for path in paths]


def read_tables(url: str) -> list[Text]:
    """Return the rows of every table of every schema as PostgreSQL writes them; bytes are in hex."""
    with psycopg.connect(url, client_encoding="utf8") as connection:
        names = connection.execute(TABLES).fetchall()
        return [Text(f"{schema}.{table}", _rows(connection, schema, table)) for schema, table in names]


def _rows(connection: "psycopg.Connection[tuple[object, ...]]", schema: str, table: str) -> bytes:
    statement = sql.SQL("COPY (SELECT * FROM {}) TO STDOUT").format(sql.Identifier(schema, table))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(copy)
