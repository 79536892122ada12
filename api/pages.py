"""The API's document for programs, as it is committed, and the same for people: a page in their language."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from api.door import LANGUAGES, language_of
from config.pages import CSP

FILE: Final = Path(__file__).with_name("openapi.json")
KEPT: Final = "public, max-age=300"
MARKS: Final = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")
Words = Sequence[tuple[str, str]]
Part = dict[str, Any]


@require_safe
def openapi_document(request: HttpRequest) -> HttpResponse:
    """Answer the OpenAPI document; anybody may read it."""
    headers = {"Cache-Control": KEPT, "Access-Control-Allow-Origin": "*"}
    return HttpResponse(FILE.read_bytes(), content_type="application/json", headers=headers)


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the document to people, in the language that the address names or the browser likes best."""
    named = request.GET.get("lang")
    language = named if named in LANGUAGES else language_of(request)
    headers = {"Content-Security-Policy": CSP, "Cache-Control": KEPT, "Content-Language": language}
    return HttpResponse(draw(language, settings.PUBLIC_URL), headers=headers)


@cache
def draw(language: str, site: str) -> str:
    document = json.loads(FILE.read_bytes())
    with translation.override(language):
        shown = {"document": document, "introduction": paragraphs(document["info"]["description"]), "site": site}
        shown |= {"groups": list(groups_of(document, site)), "events": list(events_of(document))}
        return render_to_string("api_docs.html", shown | {"languages": LANGUAGES, "language": language})


def groups_of(document: Part, site: str) -> Iterator[Part]:
    """Yield what each tag stands for, with its operations."""
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    for tag in document["tags"]:
        mine = [show(document, site, *one) for one in operations if tag["name"] in one[2]["tags"]]
        if mine:
            yield {"name": tag["name"], "words": gettext(tag["description"]), "operations": mine}


def events_of(document: Part) -> Iterator[Part]:
    for type, webhook in document["webhooks"].items():
        [content] = webhook["post"]["requestBody"]["content"].values()
        summary, example = gettext(webhook["post"]["summary"]), content["examples"]["usual"]["value"]
        yield {"type": type, "summary": summary, "example": written(example)}


def show(document: Part, site: str, method: str, path: str, operation: Part) -> Part:
    """Return what the page says of an operation."""
    answers = {status: resolve(document, answer) for status, answer in operation["responses"].items()}
    asked = content_of(operation.get("requestBody"))
    inputs = [resolve(document, one) for one in operation["parameters"]]
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": gettext(operation["summary"]),
        "words": paragraphs(operation["description"]),
        "scope": "".join(operation["security"][0]["ApiKeyAuth"]),
        "inputs": [describe(document, one["name"], one["schema"], one, one.get("required", False)) for one in inputs],
        "fields": fields_of(document, asked["schema"]) if asked else [],
        "curl": curl(site + path, method.upper(), inputs, asked),
        "answers": [
            {"status": status, "example": written(said["examples"]["usual"]["value"]) if said else ""}
            for status, said in ((status, content_of(answer)) for status, answer in answers.items() if status < "300")
        ],
        "problems": [
            {"status": status, "types": list(content_of(answer)["examples"])}
            for status, answer in answers.items()
            if status >= "400"
        ],
    }


def content_of(body: Part | None) -> Part:
    return next(iter((body or {}).get("content", {}).values()), {})


def resolve(document: Part, part: Part) -> Part:
    """Return what a reference of the document refers to."""
    while "$ref" in part:
        found = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def fields_of(document: Part, schema: Part) -> list[Part]:
    shape = resolve(document, schema)
    needed = shape.get("required", ())
    described = [describe(document, name, one, one, name in needed) for name, one in shape["properties"].items()]
    return sorted(described, key=lambda field: not field["required"])


def describe(document: Part, name: str, schema: Part, said: Part, required: bool) -> Part:
    words = paragraphs(said.get("description", ""))
    return {"name": name, "kind": kind_of(document, schema), "words": words, "required": required}


def kind_of(document: Part, schema: Part) -> str:
    """Return in few words what a value may be."""
    shape = resolve(document, schema)
    if options := shape.get("anyOf"):
        return " | ".join(kind_of(document, one) for one in options)
    if options := shape.get("enum"):
        return " | ".join(str(one) for one in options)
    if shape.get("type") == "array":
        return f"[{kind_of(document, shape['items'])}]"
    return str(shape.get("format") or shape.get("const") or shape.get("type", ""))


def curl(address: str, method: str, inputs: Sequence[Part], asked: Part) -> str:
    """Return the command that sends the example."""
    for one in inputs:
        address = address.replace(f"{{{one['name']}}}", str(one.get("example", "")))
    lines = [f"curl -X {method} '{address}'", '-H "Authorization: Bearer $PAYWITNESS_KEY"']
    lines += [f"-H 'Idempotency-Key: {one['example']}'" for one in inputs if one["name"] == "Idempotency-Key"]
    if asked:
        body = written(asked["examples"]["usual"]["value"]).replace("\n", "\n  ")
        lines += ["-H 'Content-Type: application/json'", f"-d '{body}'"]
    return " \\\n  ".join(lines)


def written(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def paragraphs(text: str) -> list[Words]:
    """Return the paragraphs of a text in the reader's language: words that are plain, code or strong."""
    return [list(words_of(gettext(" ".join(one.split())))) for one in text.split("\n\n") if one.strip()]


def words_of(text: str) -> Iterator[tuple[str, str]]:
    end = 0
    for mark in MARKS.finditer(text):
        yield "plain", text[end : mark.start()]
        yield ("code", mark[1]) if mark[1] else ("strong", mark[2])
        end = mark.end()
    yield "plain", text[end:]
