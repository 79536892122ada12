"""What a developer reads when a request cannot be done: problem documents (RFC 9457), always with the mend."""

from http import HTTPStatus
from typing import Any, Final

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

log = structlog.get_logger()

TYPES: Final = "/problems/"


class Problem(Exception):
    """A request that cannot be done; `type` is a stable name, `field` the part of the request that is at fault."""

    def __init__(self, status: int, type: str, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.type, self.detail, self.field = status, type, detail, field


def answer(problem: Problem) -> HttpResponse:
    """Return the problem document."""
    document: dict[str, Any] = {
        "type": TYPES + problem.type,
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
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
        detail = "Send a live API key of this mode as `Authorization: Bearer pwk_…`."
        return answer(Problem(401, "unauthenticated", detail))

    @api.exception_handler(ValidationError)
    def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
        first = error.errors[0]
        field = ".".join(str(part) for part in first["loc"] if part not in ("body", "payload"))
        if first["type"] == "extra_forbidden":
            return answer(Problem(422, "unknown_field", f"There is no field {field!r}; leave it out.", field=field))
        message = str(first["msg"]).removeprefix("Value error, ")
        return answer(Problem(422, "invalid_field", f"{field or 'The body'}: {message}.", field=field or None))

    @api.exception_handler(HttpError)
    def unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
        return answer(Problem(error.status_code, "unreadable", "The body cannot be read; send a JSON object."))

    @api.exception_handler(Exception)
    def unforeseen(request: HttpRequest, error: Exception) -> HttpResponse:
        log.error("api_failed", route=str(request.resolver_match and request.resolver_match.route), exc_info=error)
        return answer(Problem(500, "our_fault", "We could not do this just now. Please try again."))
