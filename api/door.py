"""What every answer of the API carries, and the language in which it says what is wrong."""

import secrets
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

from api.errors import Problem, answer

View = Callable[[HttpRequest], HttpResponse]

PREFIX: Final = "/api/v1/"
LANGUAGES: Final = ("en", "ko")  # the first is for whoever does not say


def door(get_response: View) -> View:
    """Give each request a number, which is in its log lines too, and each answer its headers; other paths pass."""

    def pass_through(request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(PREFIX):
            return get_response(request)
        number, language = f"req_{secrets.token_hex(12)}", language_of(request)
        with structlog.contextvars.bound_contextvars(request_id=number), translation.override(language):
            response = in_problems(get_response(request))
            for name, value in said(request).items():
                response.headers.setdefault(name, value)
        response.headers["Request-Id"] = number
        response.headers.setdefault("Content-Language", language)
        response.headers["Vary"] = "Authorization, Accept-Language"
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return pass_through


def say(request: HttpRequest, headers: Mapping[str, str]) -> None:
    """Have the answer to this request carry these headers."""
    request.said = said(request) | dict(headers)  # type: ignore[attr-defined]


def said(request: HttpRequest) -> dict[str, str]:
    """Return the headers that the answer is to carry so far."""
    headers: dict[str, str] = getattr(request, "said", {})
    return headers


def language_of(request: HttpRequest) -> str:
    """Return the language that the caller likes best among ours."""
    for liked, _weight in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
        if (language := liked.split("-")[0]) in LANGUAGES:
            return language
    return LANGUAGES[0]


def in_problems(response: HttpResponse) -> HttpResponse:
    """Put what is refused before any operation is found into the form of every problem."""
    if response.status_code == 405 and "Allow" in response.headers:
        refused = answer(Problem(405, "method_not_allowed", f"Use {response.headers['Allow']} here."))
        refused.headers["Allow"] = response.headers["Allow"]
        return refused
    if response.status_code == 404 and "json" not in response.headers.get("Content-Type", ""):
        return answer(Problem(404, "no_such_address", "There is no such address; see /api/v1/docs."))
    return response
