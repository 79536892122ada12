"""What a developer reads when a request cannot be done: problem documents (RFC 9457), always with the mend."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

log = structlog.get_logger()

TYPES: Final = "/problems/"
# What pydantic found wrong, in words that both languages have; what is not here is told in its own.
FAULTS: Final[Mapping[str, str | Promise]] = {
    "missing": _("give this field"),
    "string_type": _("give text"),
    "string_too_short": _("give at least %(min_length)s characters"),
    "string_too_long": _("give at most %(max_length)s characters"),
    "string_pattern_mismatch": _("write it as the document says"),
    "int_type": _("give a whole number"),
    "int_parsing": _("give a whole number"),
    "int_from_float": _("give a whole number"),
    "int_parsing_size": _("give a smaller number"),
    "bool_type": _("give true or false"),
    "bool_parsing": _("give true or false"),
    "greater_than": _("give more than %(gt)s"),
    "greater_than_equal": _("give at least %(ge)s"),
    "less_than_equal": _("give at most %(le)s"),
    "literal_error": _("give one of %(expected)s"),
    "enum": _("give one of %(expected)s"),
    "list_type": _("give a list"),
    "too_long": _("give at most %(max_length)s items"),
    "too_short": _("give at least %(min_length)s items"),
    "dict_type": _("give a JSON object"),
    "model_attributes_type": _("give a JSON object"),
    "timezone_aware": _("give the time with its offset, such as 2026-11-21T09:00:00Z"),
    "datetime_type": _("give a time such as 2026-11-21T09:00:00Z"),
    "datetime_parsing": _("give a time such as 2026-11-21T09:00:00Z"),
    "datetime_from_date_parsing": _("give a time such as 2026-11-21T09:00:00Z"),
    "datetime_object_invalid": _("give a time such as 2026-11-21T09:00:00Z"),
}


class Problem(Exception):
    """A request that cannot be done; `type` is a stable name, `field` the part of the request that is at fault."""

    def __init__(self, status: int, type: str, detail: str | Promise, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.type, self.detail, self.field = status, type, detail, field


def answer(problem: Problem) -> HttpResponse:
    """Return the problem document, in the language of the request."""
    document: dict[str, Any] = {
        "type": TYPES + problem.type,
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": str(problem.detail),
    }
    if problem.field:
        document["field"] = problem.field
    response = JsonResponse(document, status=problem.status, json_dumps_params={"ensure_ascii": False})
    response["Content-Type"] = "application/problem+json"
    if problem.status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    return response


def install(api: NinjaAPI) -> None:
    """Answer every fault with a problem document, our own included."""

    @api.exception_handler(Problem)
    def known(request: HttpRequest, error: Problem) -> HttpResponse:
        return answer(error)

    @api.exception_handler(AuthenticationError)
    def unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
        detail = _("Send an API key that is still valid as `Authorization: Bearer pwk_…`.")
        return answer(Problem(401, "unauthenticated", detail))

    @api.exception_handler(ValidationError)
    def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
        return answer(explain(error.errors[0]))

    @api.exception_handler(HttpError)
    def unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
        return answer(Problem(error.status_code, "unreadable", _("The body cannot be read; send a JSON object.")))

    @api.exception_handler(RequestDataTooBig)
    def endless(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
        detail = _("The body is too long: send at most %(most)s bytes.") % {
            "most": settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        }
        return answer(Problem(413, "body_too_long", detail))

    @api.exception_handler(Exception)
    def unforeseen(request: HttpRequest, error: Exception) -> HttpResponse:
        log.error("api_failed", route=str(request.resolver_match and request.resolver_match.route), exc_info=error)
        return answer(Problem(500, "our_fault", _("We could not do this just now. Please try again.")))


def explain(fault: Mapping[str, Any]) -> Problem:
    """Return the problem that one of pydantic's findings is."""
    where = [str(part) for part in fault["loc"] if part not in ("body", "query", "path", "header", "payload", "wish")]
    field, name = ".".join(where), ".".join(where) or _("The body")
    if fault["type"] == "extra_forbidden":
        return unknown_field(field)
    said = str(FAULTS.get(fault["type"], "")) % fault.get("ctx", {})
    said = said or str(fault["msg"]).removeprefix("Value error, ")
    return Problem(422, "invalid_field", f"{name}: {said}.", field=field or None)


def unknown_field(field: str) -> Problem:
    """Say that a request has a field or filter that we do not know: a slip of the pen is not ignored."""
    return Problem(
        422, "unknown_field", _("There is no field “%(field)s”; leave it out.") % {"field": field}, field=field
    )
