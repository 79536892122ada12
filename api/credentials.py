"""Credentials: the keys with which we ask PortOne. They are tried before they are kept, and never shown."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from ninja import Router, Schema
from pydantic import Field

from api.auth import caller_of, needs
from api.door import say
from api.errors import Problem
from api.idempotency import idempotent
from api.matching import check_match, tagged
from api.schemas import Moment, Strict
from results.core.result import written_time
from results.portone import show_masked
from results.set_up import enter_keys, read_channels_again
from results.try_keys import KeysNotTaken, KeysTaken, Refusal
from tenants.models import Credential
from tenants.routing import Route, inside

router = Router(tags=["credentials"])

KEY: Final = r"^[!-~]{1,512}$"
TIER: Final = r"^([A-Za-z0-9]{3})?$"
WAIT: Final = 60  # seconds, when PortOne is busy or silent
Result = Literal["accepted", "keys_refused", "tier_refused", "portone_busy", "portone_silent"]
# What each refusal is called, its status, the field, and the mend.
REFUSALS: Final[dict[Refusal, tuple[str, int, str | None, Promise]]] = {
    Refusal.KEYS: (
        "keys_refused",
        422,
        "imp_key",
        _("PortOne refuses these keys: compare key and secret with PortOne's console, and copy both once more."),
    ),
    Refusal.TIER: (
        "tier_refused",
        422,
        "tier",
        _("PortOne takes the keys, but not for this sub-store: correct the code, or leave it out."),
    ),
    Refusal.BUSY: ("portone_busy", 503, None, _("PortOne takes no more questions just now: try again in a minute.")),
    Refusal.SILENT: ("portone_silent", 503, None, _("PortOne does not answer just now: try again in a minute.")),
}


class Keys(Strict):
    """Keys of PortOne's REST API (V1), as its console shows them."""

    imp_key: Annotated[str, Field(pattern=KEY, description="REST API key", examples=["1234567890123456"])]
    imp_secret: Annotated[str, Field(pattern=KEY, description="REST API secret", examples=["…"])]
    tier: Annotated[str, Field(pattern=TIER, description="sub-store code, if PortOne gave you one")] = ""


class CredentialsOut(Schema):
    """Whether there are keys, since when, and how asking with them goes."""

    object: Literal["credentials"]
    livemode: bool
    state: Annotated[
        Literal["none", "in_use", "refused", "silent"],
        Field(description="`refused`: PortOne takes them no more; `silent`: PortOne does not answer, we ask again"),
    ]
    imp_key: Annotated[str | None, Field(description="its end only", examples=["…3456"])]
    tier: Annotated[str, Field(description="sub-store code, or empty")]
    connected_at: Annotated[Moment | None, Field(description="since when this PortOne account is connected")]
    refused_at: Moment | None
    asks_again_at: Annotated[Moment | None, Field(description="when `silent`")]


class CredentialsTest(Schema):
    """What PortOne said to the keys that are kept."""

    object: Literal["credentials_test"]
    livemode: bool
    result: Result
    detail: Annotated[str, Field(description="what it means and the mend, in the caller's language")]
    channels: Annotated[int | None, Field(description="how many payment channels they open; null: not known")]
    tested_at: Moment


@router.get(
    "",
    response=CredentialsOut,
    auth=needs("settings:read"),
    operation_id="getCredentials",
    summary="Read how PortOne's keys do",
)
def get(request: HttpRequest) -> dict[str, Any]:
    """Say whether there are keys of PortOne, since when, and whether PortOne takes them. They are never shown."""
    route = caller_of(request).route
    return tagged(request, show(route, find(route)))


@router.put(
    "",
    response=CredentialsOut,
    auth=needs("credentials:write"),
    operation_id="putCredentials",
    summary="Set PortOne's keys",
)
def put(request: HttpRequest, payload: Keys) -> dict[str, Any]:
    """Put keys in place of those there are, if PortOne takes them; what it refuses changes nothing.

    PortOne is asked meanwhile, which takes up to 8 seconds. From then on we ask PortOne with the new keys, and what
    waits is asked at once.
    """
    caller = caller_of(request)
    # No lock: nothing is held while a stranger's server is asked.
    check_match(request, show(caller.route, find(caller.route)))
    with inside(caller.route.schema):
        tried = enter_keys(caller.route, user_code=None, actor=caller.actor, at=datetime.now(UTC), **payload.dict())
    if isinstance(tried, KeysNotTaken):
        type_, status, field, detail = REFUSALS[tried.refusal]
        if status == 503:
            say(request, {"Retry-After": str(WAIT)})
        raise Problem(status, type_, detail, field=field)
    return tagged(request, show(caller.route, find(caller.route)))


@router.post(
    "/test",
    response={200: CredentialsTest},
    auth=needs("credentials:write"),
    operation_id="testCredentials",
    summary="Test PortOne's keys",
)
@idempotent
def test(request: HttpRequest) -> dict[str, Any]:
    """Ask PortOne now whether it takes the keys that are kept. Changes nothing; takes up to 8 seconds."""
    route, at = caller_of(request).route, datetime.now(UTC)
    with inside(route.schema):
        tried = read_channels_again(route, at=at)
    match tried:
        case None:
            detail = _("There are no keys of PortOne in this mode: set them with PUT /credentials.")
            raise Problem(404, "credentials_not_found", detail)
        case KeysNotTaken(refusal):
            result, _status, _field, words = REFUSALS[refusal]
            channels = None
        case KeysTaken(listed):
            result, words = "accepted", _("PortOne takes these keys.")
            channels = None if listed is None else len(listed)
    return {
        "object": "credentials_test",
        "livemode": route.livemode,
        "result": result,
        "detail": str(words),
        "channels": channels,
        "tested_at": written_time(at),
    }


def find(route: Route) -> Credential | None:
    return Credential.objects.filter(merchant=route.merchant_id, mode=route.mode).first()


def show(route: Route, credential: Credential | None) -> dict[str, Any]:
    state, at = "none", datetime.now(UTC)
    if credential:
        is_silent = credential.paused_until is not None and credential.paused_until > at
        state = "refused" if credential.refused_at else "silent" if is_silent else "in_use"
    return {
        "object": "credentials",
        "livemode": route.livemode,
        "state": state,
        "imp_key": show_masked(credential, route.open_vault()) if credential else None,
        "tier": credential.tier if credential else "",
        "connected_at": written_time(credential.created_at) if credential else None,
        "refused_at": written_time(credential.refused_at) if credential else None,
        "asks_again_at": written_time(credential.paused_until) if credential and state == "silent" else None,
    }
