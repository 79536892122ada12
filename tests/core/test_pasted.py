"""Whatever a developer pastes of a callback is read as the same headers and body."""

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.core.pasted import MOST, read_pasted

HEADERS = {"webhook-id": "evt_1", "webhook-timestamp": "1795237920", "webhook-signature": "v1,ab+c/d= v1,efg="}
PLAIN = {name: [value] for name, value in HEADERS.items()}
BODY = '{"이름":"소금빵","it\'s":1}'
LINES = "\n".join(f"{name}: {value}" for name, value in HEADERS.items())
CURL = "curl -X POST https://shop.example/hook \\\n" + "".join(
    f"  -H {shlex.quote(f'{name}: {value}')} \\\n" for name, value in HEADERS.items()
)


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        LINES.replace("\n", "\r\n"),
        "\ufeff" + LINES.title().replace("Evt_1", "evt_1").replace("V1,Ab+C/D= V1,Efg=", HEADERS["webhook-signature"]),
        "\n".join(f"HTTP_{name.upper().replace('-', '_')}: {value}" for name, value in HEADERS.items()),
        "\n".join(f"-H '{name}: {value}' \\" for name, value in HEADERS.items()),
        json.dumps(HEADERS),
        json.dumps({name: [value] for name, value in HEADERS.items()}),
        json.dumps(list(HEADERS.items())),
        json.dumps([{"name": name, "value": value} for name, value in HEADERS.items()]),
        CURL,
        repr(HEADERS),
        repr(list(HEADERS.items())),
        LINES.replace("v1,ab+c/d= ", "v1,ab+c/d=\n  "),
    ],
)
def test_headers_are_read_however_they_are_pasted(text: str) -> None:
    """Lines, CGI's names, curl's arguments, JSON of each shape, Python's own print, a folded line."""
    assert read_pasted(text).headers == PLAIN


@pytest.mark.parametrize(
    "text",
    [
        f"POST /hook HTTP/1.1\r\nHost: shop.example\r\n{LINES}\r\n\r\n{BODY}",
        CURL + f"  --data-raw {shlex.quote(BODY)}",
        CURL + f"  --data-binary={shlex.quote(BODY)}",
        json.dumps({"headers": HEADERS, "body": BODY, "isBase64Encoded": False}),
    ],
)
def test_a_body_beside_the_headers_is_read(text: str) -> None:
    """A raw request, a curl command and a function's event hold the body too, byte for byte."""
    pasted = read_pasted(text)

    assert pasted.body == BODY
    assert {name: pasted.headers[name] for name in PLAIN} == PLAIN


def test_another_spelling_is_remembered() -> None:
    """Who looks a header up as HTTP_WEBHOOK_ID is told the name that a library wants."""
    assert read_pasted("HTTP_WEBHOOK_ID: evt_1\nWebhook-Timestamp: 1").spelled == {"webhook-id": "HTTP_WEBHOOK_ID"}


def test_a_header_that_came_twice_is_read_twice() -> None:
    """Which of two was signed nobody knows; so both are kept."""
    assert read_pasted(f"{LINES}\nwebhook-id: evt_2").headers["webhook-id"] == ["evt_1", "evt_2"]


@given(st.text(max_size=400) | st.sampled_from(["[" * 9000, '{"headers":' * 3000, "curl '" * 3000, "a: b\n" * 9000]))
def test_nothing_that_is_pasted_raises(text: str) -> None:
    """Hostile text is read as few headers or none."""
    assert sum(map(len, read_pasted(text).headers.values())) <= MOST
