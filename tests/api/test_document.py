"""The API's document: what is committed is what the code does, and what it shows is right."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from django.utils.translation import gettext

from api import pages
from api.document import operations_of, write_document
from api.pages import FILE
from api.problems import PROBLEMS
from config.pages import CSP
from results.core.words import EventType
from tenants.scopes import SCOPES
from tests.api.conftest import Server

DOCUMENT: dict[str, Any] = json.loads(FILE.read_bytes())
OPERATIONS = {operation["operationId"]: (method, operation) for method, operation in operations_of(DOCUMENT)}
CALLBACKS = {name: webhook["post"] for name, webhook in DOCUMENT["webhooks"].items()}


def test_the_committed_document_is_what_the_code_does() -> None:
    """api/openapi.json has not drifted; `make document` writes it anew."""
    assert FILE.read_text(encoding="utf-8") == write_document(), "run `make document` and commit api/openapi.json"


def test_the_document_is_openapi_3_1() -> None:
    """It keeps to the meta schema of OpenAPI 3.1, and every schema in it to JSON Schema 2020-12."""
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.Draft202012Validator(schema | {"components": DOCUMENT["components"]})

    assert DOCUMENT["openapi"].startswith("3.1")


def test_no_reference_leads_nowhere() -> None:
    """Every `$ref` names something that is there."""
    for target in references(DOCUMENT):
        found = DOCUMENT
        for part in target.removeprefix("#/").split("/"):
            found = found[part]


@pytest.mark.parametrize("name", [*OPERATIONS, *CALLBACKS])
def test_every_body_has_an_example_that_is_right(name: str) -> None:
    """Each request, each answer and each event is shown by an example, which keeps to its own schema."""
    operation = CALLBACKS.get(name) or OPERATIONS[name][1]
    bodies = [operation.get("requestBody"), *operation["responses"].values()]
    contents = [content for body in bodies for content in (body or {}).get("content", {}).values()]

    for content in contents:
        checked = jsonschema_rs.Draft202012Validator(
            content["schema"] | {"components": DOCUMENT["components"]}, validate_formats=True
        )
        values = [example["value"] for example in content["examples"].values()]
        assert values
        assert [error.message for value in values for error in checked.iter_errors(value)] == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_says_what_a_developer_must_know(name: str) -> None:
    """Scope, summary, words, common headers, and the problems that can happen."""
    method, operation = OPERATIONS[name]
    asked = {one.get("$ref", "").rpartition("/")[2] for one in operation["parameters"]}
    [security] = operation["security"]
    answers = operation["responses"]
    usual = next(answer for status, answer in answers.items() if status < "300")

    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    assert set(security["ApiKeyAuth"]) <= set(SCOPES)
    assert name == "getMe" or security["ApiKeyAuth"]
    assert ("IdempotencyKey" in asked) == (method == "POST")
    assert "IfMatch" in asked or method not in ("PATCH", "PUT")
    assert {"Request-Id", "RateLimit-Remaining"} <= set(usual["headers"])
    assert {"401", "429"} <= set(answers)
    assert ("403" in answers) == bool(security["ApiKeyAuth"])
    assert "404" in answers or not any(one.get("in") == "path" for one in operation["parameters"])
    assert "422" in answers or not any(one.get("in") == "query" for one in operation["parameters"])


def test_every_event_type_is_a_webhook() -> None:
    """Each type has a webhook with an example of that type."""
    examples = {
        name: callback["requestBody"]["content"]["application/json"]["examples"]["usual"]["value"]
        for name, callback in CALLBACKS.items()
    }

    assert list(examples) == list(EventType)
    assert [example["type"] for example in examples.values()] == list(examples)


def test_every_problem_of_the_code_is_told() -> None:
    """What the code answers as a problem stands in the document, with its status; nothing else does."""
    told = {type: status for type, (status, *_rest) in PROBLEMS.items()}
    raised = dict(problems_raised())
    by_table = {"keys_refused", "tier_refused", "portone_busy", "portone_silent"}  # api/credentials.py, REFUSALS

    assert raised == {type: status for type, status in told.items() if type not in by_table}


def test_anybody_may_read_the_document(server: Server) -> None:
    """/api/v1/openapi.json is the committed file, and asks for no key."""
    answer = httpx.get(f"{server.cast.web}/api/v1/openapi.json", trust_env=False)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.content == FILE.read_bytes()


def references(part: Any) -> Iterator[str]:
    match part:
        case {"$ref": str(target)}:
            yield target
        case dict():
            for value in part.values():
                yield from references(value)
        case list():
            for value in part:
                yield from references(value)


def problems_raised() -> Iterator[tuple[str, int]]:
    """Yield type and status of every problem that is written in the code of the API."""
    for file in Path(FILE.parent).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="Problem"), args=[ast.Constant(status), ast.Constant(type), *_]):
                    yield type, status


class TestPage:
    """The document for people."""

    @pytest.mark.parametrize(
        ("query", "liked", "language"),
        [("", "ko-KR", "ko"), ("", "en", "en"), ("?lang=ko", "en", "ko"), ("?lang=x", "", "en")],
    )
    def test_it_speaks_the_readers_language(self, web: str, query: str, liked: str, language: str) -> None:
        """Korean or English, as the address says or the browser likes best; it shows every operation and event."""
        page = httpx.get(f"{web}/api/v1/docs{query}", headers={"Accept-Language": liked}, trust_env=False)

        assert (page.status_code, page.headers["content-language"]) == (200, language)
        assert f'<html lang="{language}">' in page.text
        assert ("주문 등록" in page.text, "Register an order" in page.text) == (language == "ko", language == "en")
        assert [name for name in OPERATIONS if f'id="{name}"' not in page.text] == []
        assert [name for name in CALLBACKS if f"<code>{name}</code>" not in page.text] == []

    def test_all_of_it_is_said_in_korean(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No summary, description, field or event is left in English on the Korean page."""
        untold: list[str] = []

        def told(text: str) -> str:
            said = gettext(text)
            untold.extend([text] if said == text else [])
            return said

        monkeypatch.setattr(pages, "gettext", told)
        pages.draw.__wrapped__("ko", "https://paywitness.example")

        assert untold == []

    def test_it_needs_no_other_host_and_no_exception(self, web: str) -> None:
        """The page keeps to the strict policy of all pages: no inline style or script, nothing from elsewhere."""
        page = httpx.get(f"{web}/api/v1/docs", trust_env=False)

        assert page.headers["content-security-policy"] == CSP
        assert re.findall(r"<style|style=|\son\w+=|<script>", page.text) == []
        linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert [one for one in linked if not one.startswith(("/static/", "/api/v1/", "#", "?"))] == []
        assert [
            one for one in linked if one.startswith("/") and httpx.get(web + one, trust_env=False).status_code != 200
        ] == []
