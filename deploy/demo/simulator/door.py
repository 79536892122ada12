"""Who comes in at PortOne's door? Each request is written down, may meet a fault, then shows its token."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from ..mischief import answer_with
from . import api
from .api import Answer, Call, Endpoint, refuse, truth
from .books import View
from .console import Simulator
from .journal import Asked
from .query import BadQuery

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ENDPOINTS: tuple[tuple[str, str, str, Endpoint], ...] = (
    ("GET", "/payments", "payments", api.get_payments),
    ("GET", "/payments/find/{merchant_uid}{_:/?}", "find", api.find),
    ("GET", "/payments/find/{merchant_uid}/{status}", "find", api.find),
    ("GET", "/payments/findAll/{merchant_uid}{_:/?}", "findAll", api.find_all),
    ("GET", "/payments/findAll/{merchant_uid}/{status}", "findAll", api.find_all),
    ("GET", "/payments/status/{status}", "status", api.by_status),
    ("POST", "/payments/prepare", "prepare", api.prepare),
    ("PUT", "/payments/prepare", "prepare", api.prepare),
    ("GET", "/payments/prepare/{merchant_uid}", "prepare", api.get_prepared),
    ("POST", "/payments/cancel", "cancel", api.cancel),
    ("GET", "/payments/{imp_uid}", "payment", api.get_payment),
    ("GET", "/users/pg", "pg", api.channels),
    ("GET", "/tiers/{code}", "tiers", api.tier),
)


def routes(sim: Simulator) -> list[web.RouteDef]:
    """Return PortOne's own paths, under the names that counters and faults use."""
    own = [web.route(method, path, _handler(sim, name, endpoint)) for method, path, name, endpoint in ENDPOINTS]
    return [web.post("/users/getToken", _handler(sim, "getToken", None)), *own]


def _handler(sim: Simulator, name: str, endpoint: Endpoint | None) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        owner = sim.tokens.owner(_token_in(request), at=sim.now())
        imp_key = str(form.get("imp_key", "")) if endpoint is None else owner or ""
        _write_down(sim, name, imp_key, request)

        async def work() -> web.StreamResponse:
            answer = api.get_token(sim, form) if endpoint is None else _ask(sim, owner, endpoint, form, request)
            return answer.as_response()

        return await answer_with(sim.faults.take(where=name, who=imp_key), request, work)

    return handle


def _ask(sim: Simulator, owner: str | None, endpoint: Endpoint, form: dict[str, Any], request: web.Request) -> Answer:
    if owner is None:
        return refuse(401, "Unauthorized")
    query = dict(request.query)
    view = View(sim.account(owner), request.headers.get("Tier"), _sandbox_wanted(endpoint, query))
    try:
        return endpoint(Call(sim, view, dict(request.match_info), query, form, request))
    except BadQuery as error:
        return refuse(400, str(error))


def _sandbox_wanted(endpoint: Endpoint, query: dict[str, str]) -> bool:
    """Of the questions only the single look-up knows `include_sandbox`; the others hide test payments."""
    return endpoint is api.cancel or (endpoint is api.get_payment and truth(query.get("include_sandbox")))


async def read_form(request: web.Request) -> dict[str, Any]:
    """Read a JSON or form body; what cannot be read is empty."""
    if request.content_type == "application/json":
        try:
            data = await request.json()
        except ValueError:
            return {}
        return data if isinstance(data, dict) else {}
    return dict(await request.post())


def _token_in(request: web.Request) -> str:
    """Return the token, bare or after `Bearer`; `Authorization` wins over the old header."""
    value = request.headers.get("Authorization") or request.headers.get("X-ImpTokenHeader") or ""
    return value.removeprefix("Bearer ").strip()


def _write_down(sim: Simulator, name: str, imp_key: str, request: web.Request) -> None:
    ids = sum(len(request.query.getall(name, ())) for name in ("imp_uid[]", "merchant_uid[]"))
    sim.journal.note(
        Asked(
            at=sim.now(),
            endpoint=name,
            method=request.method,
            path=request.path,
            query=request.query_string,
            imp_key=imp_key,
            ids=ids,
        )
    )
