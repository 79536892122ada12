"""The guide is open to everyone, whole in both languages, and knows every event, problem and snippet that there is."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from api.credentials import REFUSALS
from api.guide.problems import PROBLEMS, TYPES
from results.core.words import EventType
from tenants.scopes import SCOPES
from tests.guide.languages import SNIPPETS

API: Final = Path(settings.BASE_DIR) / "api"
LANGUAGES: Final = ("ko", "en")
CODE: Final = re.compile(r"<code[^>]*>([^<]*)</code>")
ANCHOR: Final = re.compile(r'\bid="([^"]+)"')


def guide(language: str) -> str:
    answer = Client(headers={"accept-language": language}).get("/guide/")
    assert answer.status_code == 200
    return str(answer.content.decode())


def codes_of(text: str) -> set[str]:
    """Return the codes of a text; what stands in their brackets is a word of its language."""
    return {re.sub(r"\{[^}]*\}", "{}", code) for code in CODE.findall(text)}


def problems_of_the_api() -> set[str]:
    """Return every `type` that the code gives a problem: the second word of each Problem, and the refusals of keys."""
    found = {name for name, *_ in REFUSALS.values()}
    for file in API.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                found |= {str(word.value) for word in node.args[1:2] if isinstance(word, ast.Constant)}
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_everyone_may_read_it(database: object, language: str) -> None:
    """The page needs no account and asks the database for nothing; its policy allows nothing inline or foreign."""
    with CaptureQueriesContext(connection) as captured:
        answer = Client(headers={"accept-language": language}).get("/guide/")

    assert (answer.status_code, len(captured)) == (200, 0)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert f'<html lang="{language}">' in answer.content.decode()


def test_a_language_is_chosen(database: object) -> None:
    """Whoever chooses the other language gets it, and stays on the page."""
    reader = Client(headers={"accept-language": "ko"})

    led = reader.post("/language/", {"language": "en", "next": "/guide/"}, follow=True)

    assert led.redirect_chain == [("/guide/", 302)]
    assert "Guide for developers" in led.content.decode()


def test_both_languages_say_the_same(database: object) -> None:
    """They have the same anchors and name the same codes in every chapter."""
    korean, english = map(guide, LANGUAGES)

    assert ANCHOR.findall(korean) == ANCHOR.findall(english)
    chapters = [text.split('<section class="chapter"')[1:] for text in (korean, english)]
    for one, other in zip(*chapters, strict=True):
        assert codes_of(one) == codes_of(other), one[:80]


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_shows_every_snippet_as_it_is_tested(database: object, language: str) -> None:
    """Each file of the snippets stands on the page, letter by letter."""
    text = guide(language)
    shown = {CODE.sub(r"\1", code) for code in re.findall(r"<pre[^>]*>(.*?)</pre>", text, re.DOTALL)}
    files = [file.read_text() for file in SNIPPETS.rglob("*.*") if file.suffix in (".py", ".mjs", ".php", ".sh")]

    assert len(files) == 13
    assert {escaped(file) for file in files} <= shown


def escaped(text: str) -> str:
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;")):
        text = text.replace(sign, name)
    return text


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_says_what_to_do_on_every_event(database: object, language: str) -> None:
    """Each type of event that there is stands in the table, and each scope of a key."""
    codes = set(CODE.findall(guide(language)))

    assert set(EventType) - codes == set()
    assert set(SCOPES) - codes == set()


def test_every_problem_is_explained() -> None:
    """The guide knows each `type` of the API, and none that there is not."""
    assert problems_of_the_api() == TYPES
    assert len([type_ for known in PROBLEMS for type_ in known.types]) == len(TYPES)


@pytest.mark.parametrize("type_", sorted(TYPES))
def test_a_problem_leads_to_its_mend(database: object, type_: str) -> None:
    """The `type` of a problem is an address, and leads to a line of the guide that is there."""
    answer = Client().get(f"/problems/{type_}")

    assert (answer.status_code, answer.headers["Location"]) == (302, f"/guide/#problem-{type_}")
    assert f"problem-{type_}" in ANCHOR.findall(guide("ko"))


def test_no_other_problem_leads_anywhere(database: object) -> None:
    """What is no type of ours is not there."""
    assert Client().get("/problems/weather").status_code == 404
