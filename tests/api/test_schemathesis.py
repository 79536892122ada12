"""Can a stranger with a real key break the API? schemathesis asks what the document allows, and what it does not."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api import auth
from api.document import operations_of
from api.pages import FILE
from tests.api.conftest import Server
from tests.api.stock import Stock, stock_up
from tests.factories import Cast

SEED = "6"
EXAMPLES = "4"  # of each operation, beside those of each limit and type
SECONDS = 60
# Not asked: whether all that keeps to the schema is done. Prices settle, and addresses must be registered first.
LEFT_OUT = "positive_data_acceptance"
SHARED = [{"$ref": f"#/components/parameters/{name}"} for name in ("IdempotencyKey", "AcceptLanguage")]
# Every other method of every address would be half of all requests; one of them shows how others are refused.
CONFIG = """
[phases.coverage]
unexpected-methods = ["DELETE"]
"""


@pytest.fixture
def stock(bakery: Cast) -> Stock:
    """One of everything of the bakery's that an address can name."""
    return stock_up(bakery)


def test_nothing_that_a_stranger_sends_breaks_the_document(
    server: Server, stock: Stock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: Callable[[str], None]
) -> None:
    """No answer is a 5xx or outside of the document, whatever is sent: limits, odd words, other types, no objects."""
    monkeypatch.setattr(auth, "PER_SECOND", 100_000)
    monkeypatch.setattr(auth, "AT_ONCE", 100_000)
    spare = server.asks("POST", "/endpoints", {"url": "https://spare.example.com/in"}).json()["id"]
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(with_ids(json.loads(FILE.read_bytes()), stock.ids, spare)))

    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", server.cast.web]
    command += ["--header", f"Authorization: Bearer {server.key}", "--seed", SEED, "--max-examples", EXAMPLES]
    command += ["--phases", "examples,coverage,fuzzing", "--exclude-checks", LEFT_OUT, "--no-shrink"]
    command += ["--continue-on-failure", "--warnings", "off", "--workers", "4"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=SECONDS * 4)

    note(f"schemathesis: {summary_of(ran.stdout)}")
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr


def with_ids(document: dict[str, Any], ids: dict[str, str], spare: str) -> dict[str, Any]:
    """Return the document with the ids of what is really there for examples, and a spare endpoint to delete.

    The headers that all share are tried on one operation. One Idempotency-Key for many requests would refuse all but
    the first, and strange languages on each would be half of all requests.
    """
    for _method, operation in operations_of(document):
        name, parameters = operation["operationId"], operation["parameters"]
        for parameter in parameters:
            if parameter.get("in") == "path":
                parameter["example"] = spare if name == "deleteEndpoint" else ids[parameter["name"]]
        operation["parameters"] = [one for one in parameters if name == "expireOrder" or one not in SHARED]
    return document


def summary_of(printed: str) -> str:
    """Return what it says at the end: how many cases, how they ended, and in what time."""
    counted = re.search(r"\d+ generated, .*", printed)
    lasted = re.search(r"in [\d.]+s(?= =+\s*$)", printed)
    return f"{counted and counted[0]} {lasted and lasted[0]}, seed {SEED}"
