"""What did a receiver get? Headers and body, out of whatever a developer has at hand to paste.

Lines, a raw HTTP request, a curl command, JSON (of a serverless function's event, too) or names as CGI writes them.
Nothing that is pasted raises; what cannot be read is no header.
"""

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

MOST: Final = 200  # headers
NAME: Final = re.compile(r"[A-Za-z0-9_.!#$%&*+^`|~-]{1,100}")
REQUEST: Final = re.compile(r"(?:[A-Z]{3,7} \S+|HTTP/[0-9.]+ [0-9]{3}\b.*|[A-Z]{3,7} \S+ HTTP/[0-9.]+)")
DATA: Final = ("-d", "--data", "--data-raw", "--data-binary", "--data-ascii", "--json")
# The last resort: our three headers, wherever they stand in what some language prints of its headers.
ANYWHERE: Final = re.compile(
    r"""(?P<name>(?:HTTP_)?webhook[-_](?:id|timestamp|signature))['"]?\s*(?::|=>?|,)\s*\[?\s*b?['"](?P<value>[^'"]*)['"]""",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Pasted:
    """Headers by their plain names, and a body if one stood with them.

    `spelled` are the names that a receiver had under another spelling than ours, such as HTTP_WEBHOOK_ID.
    """

    headers: dict[str, list[str]] = field(default_factory=dict)
    body: str | None = None
    spelled: dict[str, str] = field(default_factory=dict)


def read_pasted(text: str) -> Pasted:
    """Read what was pasted, however it is written."""
    pairs, body = _read(text.lstrip("\ufeff").replace("\r\n", "\n"))
    headers: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    for name, value in list(pairs)[:MOST]:
        given = name.strip().strip("'\"")
        plain = given.lower().replace("_", "-").removeprefix("http-")
        headers.setdefault(plain, []).append(value.strip())
        if plain != given.lower():
            spelled[plain] = given[:80]
    return Pasted(headers, body, spelled)


def _read(text: str) -> tuple[Iterable[tuple[str, str]], str | None]:
    if found := _read_json(text):
        return found
    if re.match(r"\s*curl\s", text) and (command := _split(text)):
        return _read_curl(command)
    pairs, body = _read_lines(text)
    named = {name.lower().replace("_", "-").removeprefix("http-") for name, _ in pairs}
    if not named & {"webhook-id", "webhook-timestamp", "webhook-signature"}:
        pairs += [(found["name"], found["value"]) for found in ANYWHERE.finditer(text)]
    return pairs, body


def _read_json(text: str) -> tuple[list[tuple[str, str]], str | None] | None:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(given, dict) and isinstance(given.get("headers"), dict | list):
        body = given.get("body")
        return list(_pairs(given["headers"])), body if isinstance(body, str) else None
    return (list(_pairs(given)), None) if isinstance(given, dict | list) else None


def _pairs(given: dict[str, Any] | list[Any]) -> Iterable[tuple[str, str]]:
    """Read names with a value or several, pairs, or objects of a name and a value."""
    if isinstance(given, dict):
        for name, value in given.items():
            for one in value if isinstance(value, list) else [value]:
                yield str(name), str(one)
        return
    for one in given:
        if isinstance(one, list) and len(one) == 2:
            yield str(one[0]), str(one[1])
        elif isinstance(one, dict) and {"name", "value"} <= set(one):
            yield str(one["name"]), str(one["value"])


def _split(text: str) -> list[str]:
    """Split a command as a shell does; empty when it is none."""
    try:
        return shlex.split(text)
    except ValueError:
        return []


def _read_curl(command: list[str]) -> tuple[list[tuple[str, str]], str | None]:
    pairs: list[tuple[str, str]] = []
    body = None
    for word, following in zip(command, [*command[1:], ""], strict=True):
        option, equals, value = word.partition("=")
        given = value if equals and option.startswith("--") else following
        if option in ("-H", "--header"):
            name, _, said = given.partition(":")
            pairs.append((name, said))
        elif option in DATA:
            body = given
        elif word.startswith("-H") and ":" in word:
            name, _, said = word[2:].partition(":")
            pairs.append((name, said))
    return pairs, body


def _read_lines(text: str) -> tuple[list[tuple[str, str]], str | None]:
    """Read one header a line, and what follows an empty line after them as the body."""
    pairs: list[tuple[str, str]] = []
    lines = text.strip("\n").split("\n")
    for number, line in enumerate(lines):
        plain = line.strip().removesuffix("\\").strip()
        if curl := re.match(r"(?:-H|--header)[ =]?", plain):
            plain = plain[curl.end() :].strip().strip("'\"")
        if not plain and pairs:
            return pairs, "\n".join(lines[number + 1 :]) or None
        if line[:1] in (" ", "\t") and pairs and not curl and not NAME.fullmatch(plain.partition(":")[0]):
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]} {plain}")  # a header that was folded over two lines
            continue
        name, colon, value = plain.rstrip(",").partition(":")
        if colon and NAME.fullmatch(name.strip().strip("'\"")) and not REQUEST.fullmatch(plain):
            pairs.append((name, value.strip().strip("'\"")))
    return pairs, None
