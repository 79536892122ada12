"""The same POST again is the same deed: one that carries an Idempotency-Key is done once, however often it comes.

The deed and what was answered are kept in one transaction, so that a process that dies leaves neither. The same key
with the same request gets the same answer for a day, with another request a refusal, and while the first is under
way it is told so.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final

from django.db import connection, transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from ninja import Status

from api.auth import Caller, caller_of
from api.bodies import read_body
from api.door import said, say
from api.errors import Problem, unknown_field
from tenants.fields import new_id
from tenants.keys import ANSWERS_KEPT_FOR
from tenants.models import IdempotentAnswer

LONGEST_KEY: Final = 255
TABLE: Final = "tenants_idempotentanswer"
Operation = Callable[..., Any]


def idempotent(operation: Operation) -> Operation:
    """Wrap a POST's operation, which answers with a document or a Status of one."""

    @wraps(operation)
    def once(request: HttpRequest, *args: Any, **named: Any) -> Any:
        if "payload" not in named:
            _refuse_body(request)
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return operation(request, *args, **named)
        if not 1 <= len(key) <= LONGEST_KEY or not (key.isascii() and key.isprintable()):
            detail = _("Idempotency-Key: give 1 to %(most)s printable ASCII characters.") % {"most": LONGEST_KEY}
            raise Problem(400, "bad_idempotency_key", detail, field="Idempotency-Key")
        with transaction.atomic():
            answered = _once(request, key, lambda: operation(request, *args, **named))
        if isinstance(answered, Problem):
            raise answered
        return answered

    return once


def _refuse_body(request: HttpRequest) -> None:
    """Raise Problem when a request says something that nobody would read."""
    try:
        body = read_body(request) if request.body else {}
    except (ValueError, RecursionError):
        body = None
    if body and isinstance(body, dict):
        raise unknown_field(next(iter(body)))
    if body != {}:
        raise Problem(400, "unreadable", _("The body cannot be read; send a JSON object."))


def _once(request: HttpRequest, key: str, deed: Callable[[], Any]) -> Any:
    caller, at, digest = caller_of(request), datetime.now(UTC), hashlib.sha256(key.encode()).digest()
    if not _lock(caller, digest):
        say(request, {"Retry-After": "1"})
        raise Problem(409, "still_running", _("The first request with this Idempotency-Key is still under way."))
    mine = IdempotentAnswer.objects.filter(merchant=caller.route.merchant_id, mode=caller.route.mode, key=digest)
    kept, meant = mine.first(), _digest_of(request)
    if kept and kept.created_at > at - ANSWERS_KEPT_FOR:
        if bytes(kept.request) != meant:
            detail = _("This Idempotency-Key came with another request before: take a new one for each request.")
            raise Problem(422, "idempotency_key_reused", detail, field="Idempotency-Key")
        say(request, {"Idempotent-Replayed": "true"})
        return _repeat(request, caller, kept)
    mine.delete()
    answered = _do(deed)
    _keep(caller, IdempotentAnswer(key=digest, request=meant, created_at=at), answered, tag=said(request).get("ETag"))
    return answered


def _lock(caller: Caller, digest: bytes) -> bool:
    """Take the key for this transaction, if nobody has it."""
    name = f"idempotency:{caller.route.merchant_id}:{caller.route.mode}:{digest.hex()}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        (taken,) = cursor.fetchone()
    return bool(taken)


def _digest_of(request: HttpRequest) -> bytes:
    """Return what makes two requests the same: method, address, and what the body says, however it is written."""
    body = json.dumps(json.loads(request.body), sort_keys=True) if request.body else ""
    return hashlib.sha256(f"{request.method} {request.get_full_path()}\n{body}".encode()).digest()


def _do(deed: Callable[[], Any]) -> Any:
    """Do it; what was refused left nothing behind, and is an answer as well."""
    try:
        with transaction.atomic():
            return deed()
    except Problem as problem:
        return problem


def _keep(caller: Caller, row: IdempotentAnswer, answered: Any, *, tag: str | None) -> None:
    document: dict[str, Any]
    match answered:
        case Problem() as problem:
            document = {"problem": [problem.status, problem.type, str(problem.detail), problem.field]}
        case Status() as status:
            document = {"status": status.status_code, "body": status.value}
        case body:
            document = {"status": None, "body": body}
    document |= {"tag": tag} if tag else {}
    row.id, row.merchant_id, row.mode = new_id(), caller.route.merchant_id, caller.route.mode
    text = json.dumps(document).encode()
    row.sealed = caller.route.open_vault().seal(text, table=TABLE, field="sealed", row=row.id)
    row.save(force_insert=True)


def _repeat(request: HttpRequest, caller: Caller, kept: IdempotentAnswer) -> Any:
    text = caller.route.open_vault().open(bytes(kept.sealed), table=TABLE, field="sealed", row=kept.id)
    document = json.loads(text)
    if tag := document.get("tag"):
        say(request, {"ETag": tag})
    if "problem" in document:
        status, type_, detail, field = document["problem"]
        return Problem(status, type_, detail, field=field)
    return document["body"] if document["status"] is None else Status(document["status"], document["body"])
