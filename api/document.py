"""What can the API do? The OpenAPI 3.1 document: what Django-Ninja knows of the operations, and all that they share.

`make document` writes it to api/openapi.json, which is what we serve; a test fails when the two differ.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from api.app import api
from api.auth import AT_ONCE, PER_SECOND, ApiKeyAuth
from api.example_events import example_event
from api.examples import IDS, example_of
from api.idempotency import LONGEST_KEY
from api.problems import PROBLEMS, example_problem, problems_of, takes_match
from api.schemas import ProblemDocument
from api.words import EVENTS, HEADERS, INTRODUCTION, SIGNED, TAGS
from results.core.words import EventType

PREFIX: Final = "/api/v1/"
SCHEMAS: Final = "#/components/schemas/"
PROBLEM: Final = "application/problem+json"
TAGGED: Final = frozenset(
    {
        *("createOrder", "putOrder", "updateOrder", "expireOrder", "getOrder", "getPayment", "resolvePayment"),
        *("createEndpoint", "getEndpoint", "updateEndpoint", "pauseEndpoint", "resumeEndpoint"),
        *("rotateEndpointSecret", "getCredentials", "putCredentials", "getSettings", "updateSettings"),
    }
)
Part = dict[str, Any]


def build_document() -> Part:
    """Return the document as plain JSON values."""
    written = json.dumps(api.get_openapi_schema(path_prefix=PREFIX), default=str)
    # Of these names a client's generator makes its classes.
    document: Part = json.loads(re.sub(r"\bListOf_(\w+)_", r"ListOf\1", written))
    scopes, problems = read_scopes(), set[str]()
    for method, operation in operations_of(document):
        problems |= complete(method, operation, scopes[operation["operationId"]])
    document["info"] = {"title": "Paywitness", "version": "1", "description": INTRODUCTION}
    document["servers"] = [{"url": "/", "description": "where this document was read"}]
    document["tags"] = [{"name": name, "description": words} for name, words in TAGS.items()]
    document["webhooks"] = {type.value: webhook_of(type) for type in EventType}
    document["components"] |= {
        "parameters": PARAMETERS,
        "responses": {name: problem_answer(name) for name in sorted(problems)},
        "headers": {name: HEADERS[name] for name in sorted(HEADERS)},
        "examples": {type: {"value": example_problem(type)} for type in PROBLEMS},
        "securitySchemes": {"ApiKeyAuth": SECURITY},
    }
    schemas = document["components"]["schemas"] | {"ProblemDocument": ProblemDocument.model_json_schema()}
    document["components"]["schemas"] = schemas
    document["components"]["schemas"] = {name: schemas[name] for name in sorted(used_by(document, schemas))}
    return document


def write_document() -> str:
    """Return the document as text, as it is committed."""
    return json.dumps(build_document(), ensure_ascii=False, indent=1) + "\n"


def operations_of(document: Part) -> Iterator[tuple[str, Part]]:
    """Yield each operation of a document with its method in capitals."""
    for methods in document["paths"].values():
        for method, operation in methods.items():
            yield method.upper(), operation


def read_scopes() -> dict[str, str | None]:
    """Return the scope that each operation asks for; None: any key may ask."""
    found: dict[str, str | None] = {}
    for router in api._get_bound_routers():
        for view in router.path_operations.values():
            for operation in view.operations:
                [key] = operation.auth_callbacks
                assert isinstance(key, ApiKeyAuth)
                found[str(operation.operation_id)] = key.scope
    return found


def complete(method: str, operation: Part, scope: str | None) -> set[str]:
    """Put into an operation what follows from its method, its scope and its shapes; return its answers of problems."""
    for parameter in operation["parameters"]:
        complete_parameter(parameter)
    answers = sort_problems(problems_of(method, operation, scoped=scope is not None))
    operation["security"] = [{"ApiKeyAuth": [scope] if scope else []}]
    for name in headers_asked(method, operation["operationId"]):
        operation["parameters"].append({"$ref": f"#/components/parameters/{name}"})
    for body in [operation.get("requestBody"), *operation["responses"].values()]:
        for content in (body or {}).get("content", {}).values():
            content["examples"] = {"usual": {"value": example_of(name_of(content["schema"]))}}
    for response in operation["responses"].values():
        response["headers"] = headers_said(method, operation["operationId"])
    operation["responses"] |= {name[:3]: {"$ref": f"#/components/responses/{name}"} for name in answers}
    return set(answers)


def complete_parameter(parameter: Part) -> None:
    """Put an example into an id; of a filter say what it takes, which is never null in an address."""
    schema = parameter["schema"]
    for values in (schema.pop("examples", None), parameter.pop("examples", None)):
        if values:
            parameter["example"] = values[0]
    if parameter["in"] == "path":
        parameter["example"] = IDS[parameter["name"]]
    if options := [one for one in schema.get("anyOf", []) if one != {"type": "null"}]:
        parameter["schema"] = options[0]
    for word in ("title", "description"):
        parameter["schema"].pop(word, None)


def name_of(schema: Part) -> str:
    return str(schema["$ref"]).removeprefix(SCHEMAS)


def headers_asked(method: str, operation_id: str) -> list[str]:
    names = ["IdempotencyKey"] if method == "POST" else []
    names += ["IfMatch"] if takes_match(method, operation_id) else []
    return [*names, "AcceptLanguage"]


def headers_said(method: str, operation_id: str) -> Part:
    names = ["Request-Id", "Content-Language", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]
    names += ["ETag"] if operation_id in TAGGED else []
    names += ["Idempotent-Replayed"] if method == "POST" else []
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def sort_problems(problems: list[str]) -> list[str]:
    """Return the names of the answers that tell these problems: one for each status, which names its types."""
    by_status = defaultdict(list)
    for type in problems:
        by_status[PROBLEMS[type][0]].append(type)
    return ["-".join([str(status), *types]) for status, types in sorted(by_status.items())]


def problem_answer(name: str) -> Part:
    status, types = int(name.split("-")[0]), name.split("-")[1:]
    more = {401: ["WWW-Authenticate"], 409: ["Retry-After"], 429: ["Retry-After"], 503: ["Retry-After"]}
    names = ["Request-Id", "Content-Language", *more.get(status, [])]
    examples = {type: {"$ref": f"#/components/examples/{type}"} for type in types}
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(f'`{type}`' for type in types)}",
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {PROBLEM: {"schema": {"$ref": f"{SCHEMAS}ProblemDocument"}, "examples": examples}},
    }


def webhook_of(type: EventType) -> Part:
    """Return how a callback of this type comes to the merchant's server, and what its answer means."""
    narrowed = {"type": "object", "properties": {"type": {"const": type.value}}}
    content = {
        "schema": {"allOf": [{"$ref": f"{SCHEMAS}EventOut"}, narrowed]},
        "examples": {"usual": {"value": example_event(type)}},
    }
    return {
        "post": {
            "operationId": f"hear.{type.value}",
            "summary": EVENTS[type],
            "description": "Verify the signature, keep the event by its id, and answer at once.",
            "tags": ["callbacks"],
            "parameters": [
                {"name": name, "in": "header", "schema": {"type": "string"}} | said for name, said in SIGNED.items()
            ],
            "requestBody": {"content": {"application/json": content}, "required": True},
            "responses": {
                "2XX": {"description": "You have it: it is not sent again."},
                "410": {"description": "You want no more of it: the endpoint is disabled."},
                "default": {"description": "It is sent again by the schedule, for as long as seven days."},
            },
            "security": [],
        }
    }


def used_by(document: Part, schemas: Mapping[str, Any]) -> set[str]:
    """Return the names of the schemas that anything else in the document refers to."""
    shared = {name: part for name, part in document["components"].items() if name != "schemas"}
    found, new = set[str](), referred(document | {"components": shared})
    while new:
        found |= new
        new = set[str]().union(*(referred(schemas[name]) for name in new)) - found
    return found


def referred(part: Any) -> set[str]:
    match part:
        case {"$ref": str(target), **rest} if target.startswith(SCHEMAS):
            return {target.removeprefix(SCHEMAS)} | referred(rest)
        case dict():
            return set[str]().union(*map(referred, part.values()))
        case list():
            return set[str]().union(*map(referred, part))
    return set()


SECURITY: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": (
        "An API key of one merchant and mode, made in the dashboard: `Authorization: Bearer pwk_live_…`. Each operation"
        f" names the scope that it needs. A key may ask {PER_SECOND} times a second, {AT_ONCE} at once."
    ),
}
PARAMETERS: Final[Part] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": (
            "Makes a repeat harmless: for 24 hours the same key with the same request gets the first answer again."
        ),
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST_KEY,
            "pattern": "^[!-~]([ -~]*[!-~])?$",
        },
        "example": "7c3f2f0e-2a39-4c55-9d0f-9a3b1c5d7e11",
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "The `ETag` that you read: refuses the change with 412 when somebody was faster.",
        "schema": {"type": "string"},
        "example": "*",
    },
    "AcceptLanguage": {
        "name": "Accept-Language",
        "in": "header",
        "description": "The language of `detail` in problems: `ko` or `en`, which is the usual one.",
        "schema": {"type": "string"},
        "example": "ko",
    },
}
