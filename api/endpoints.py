"""Endpoints: where the merchant's server hears us, how each is doing, and who signs.

A signing secret is shown once, in the answer that made it; of fixed headers only the names are ever shown. Whatever
changes where results go is written down in the audit, and of another address or a deletion the owners get a letter.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from ninja import Path, Query, Router, Schema, Status
from pydantic import Field, StrictBool, StrictInt

from api.auth import caller_of, needs
from api.door import say
from api.errors import Problem
from api.idempotency import idempotent
from api.matching import check_match, tagged
from api.paging import PageOf, read_id, read_page, show_list
from api.schemas import ListOf, Moment, Strict, Text
from results.backlog import lock
from results.core.headers import BadHeaders
from results.core.ids import encode
from results.core.result import written_time
from results.core.signing import SigningSecret
from results.core.subscription import BadSubscription
from results.core.words import DEFAULT_EVENTS, EventType
from results.endpoints import (
    LONGEST_OVERLAP,
    BadCallbackUrl,
    BadDescription,
    BadRotation,
    NoSuchEndpoint,
    NothingToResume,
    TooManyEndpoints,
    TooManyPings,
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    header_names,
    pause_endpoint,
    ping,
    resume_endpoint,
    rotate_secret,
    state_of,
)
from results.models import Delivery, Endpoint, EndpointSecret
from results.wording import in_words
from tenants.routing import Route, inside

router = Router(tags=["endpoints"])

EXAMPLE_ID: Final = "end_01KAJ3WQ4R8ZV5N2E6D7XG9TBC"
EXAMPLE_SECRET: Final = "whsec_…"
# What each refusal of a value is about; the message that comes with it says the mend.
FIELDS: Final = {
    BadCallbackUrl: "url",
    BadSubscription: "events",
    BadDescription: "description",
    BadHeaders: "headers",
}

EndpointId = Annotated[Text, Path()]
Url = Annotated[
    str,
    Field(
        description="your server's address, with https, on port 443 or 8443",
        examples=["https://shop.example.com/paywitness"],
    ),
]
Events = Annotated[
    list[str],
    Field(
        min_length=1,
        max_length=100,
        description="event types, or all that begin alike: `payment.*`",
        examples=[["payment.*", "claim.rejected"]],
    ),
]
Description = Annotated[str, Field(description="for your people: one line", examples=["order server"])]
Headers = Annotated[
    dict[str, str],
    Field(
        description="sent with each callback, for what your own gateway asks for; sealed, and never shown again",
        examples=[{"x-gateway-key": "0123456789abcdef"}],
    ),
]


class NewEndpoint(Strict):
    """Where, and what is to be heard there."""

    url: Url
    events: Events = Field(default_factory=lambda: list(DEFAULT_EVENTS))
    description: Description = ""
    headers: Headers = Field(default_factory=dict)


class EndpointChange(Strict):
    """What is to change; what is left out, or null, stays. `headers` take the place of all there were, `{}` of none."""

    url: Url | None = None
    events: Events | None = None
    description: Description | None = None
    headers: Headers | None = None


class Resumption(Strict):
    """What becomes of all that the endpoint has not heard."""

    with_backlog: Annotated[
        StrictBool, Field(description="false: give up what it has not heard; a replay alone can send that")
    ] = True


class Rotation(Strict):
    """For how long the secrets of before sign along."""

    overlap_seconds: Annotated[
        StrictInt,
        Field(ge=0, le=int(LONGEST_OVERLAP.total_seconds()), description="0 when it has leaked", examples=[86400]),
    ] = 86400


class SecretOut(Schema):
    """A signing secret by its id; what it says is never shown again."""

    id: Annotated[str, Field(examples=["sec_01KAJ3WQ4R8ZV5N2E6D7XG9TBC"])]
    created_at: Moment
    retires_at: Annotated[Moment | None, Field(description="until when it signs; null: until it is rotated")]


class EndpointOut(Schema):
    """An endpoint and how it is doing."""

    object: Literal["endpoint"]
    id: Annotated[str, Field(examples=[EXAMPLE_ID])]
    livemode: bool
    url: Url
    events: Annotated[list[str], Field(examples=[["payment.*", "claim.rejected"]])]
    description: Description
    headers: Annotated[list[str], Field(description="names only", examples=[["x-gateway-key"]])]
    state: Annotated[
        Literal["listening", "failing", "probed", "paused", "disabled"],
        Field(description="`probed`: after ten failures in a row one event at a time is tried until it is back"),
    ]
    paused_at: Moment | None
    disabled_at: Moment | None
    disabled_because: Annotated[
        Literal["gone", "failing"] | None,
        Field(description="`gone`: it answered 410; `failing`: nothing but failure for five days"),
    ]
    failing_since: Moment | None
    failures: Annotated[int, Field(description="failed attempts since the last success")]
    probed_since: Moment | None
    backlog: Annotated[int, Field(description="events that it has not heard and that are not given up")]
    secrets: Annotated[list[SecretOut], Field(description="those that sign now, the newest first")]
    created_at: Moment


class EndpointWithSecret(EndpointOut):
    """An endpoint with the secret that was just made. It is shown this once: keep it in a secret store."""

    signing_secret: Annotated[str, Field(examples=[EXAMPLE_SECRET])]


class PingOut(Schema):
    """A test that is on its way; its delivery says what became of it."""

    object: Literal["ping"]
    endpoint: Annotated[str, Field(examples=[EXAMPLE_ID])]
    event: Annotated[str, Field(examples=["evt_01KAJ3WQ4R8ZV5N2E6D7XG9TBC"])]


class EndpointsWished(PageOf):
    """Which endpoints are meant."""


@router.post(
    "",
    response={201: EndpointWithSecret},
    auth=needs("endpoints:write"),
    operation_id="createEndpoint",
    summary="Make an endpoint",
)
@idempotent
def create(request: HttpRequest, payload: NewEndpoint) -> Status[dict[str, Any]]:
    """Make an endpoint. `signing_secret` is shown in this answer only; verify each callback with it.

    A mode has 20 endpoints at the most. Without `events` it hears all that changes what a payment is worth.
    """
    caller, at = caller_of(request), datetime.now(UTC)
    with at_endpoints(caller.route):
        endpoint, secret = create_endpoint(caller.route, actor=caller.actor, at=at, **payload.dict())
        return Status(201, show_secret(request, caller.route, endpoint, secret))


@router.get(
    "",
    response=ListOf[EndpointOut],
    auth=needs("endpoints:read"),
    operation_id="listEndpoints",
    summary="List endpoints",
)
def find(request: HttpRequest, wish: Query[EndpointsWished]) -> dict[str, Any]:
    """List endpoints, newest first, each with how it is doing."""
    route = caller_of(request).route
    with at_endpoints(route):
        shown, cursor = read_page(request, Endpoint.objects.filter(mode=route.mode), wish)
        documents = dict(zip(shown, show_all(route, shown), strict=True))
        return show_list(shown, cursor, lambda endpoint: documents[endpoint])


@router.get(
    "/{endpoint_id}",
    response=EndpointOut,
    auth=needs("endpoints:read"),
    operation_id="getEndpoint",
    summary="Read an endpoint",
)
def get(request: HttpRequest, endpoint_id: EndpointId) -> dict[str, Any]:
    """Return an endpoint: how it is doing, what waits for it, and which secrets sign. Its ETag is of what you set."""
    route = caller_of(request).route
    with at_endpoints(route):
        endpoint = Endpoint.objects.filter(mode=route.mode, id=read(endpoint_id)).first()
        if endpoint is None:
            raise not_found()
        return show(request, route, endpoint)


@router.patch(
    "/{endpoint_id}",
    response=EndpointOut,
    auth=needs("endpoints:write"),
    operation_id="updateEndpoint",
    summary="Change an endpoint",
)
def change(request: HttpRequest, endpoint_id: EndpointId, payload: EndpointChange) -> dict[str, Any]:
    """Change what is given. Of another URL the owners get a letter; what was not heard yet goes to the new one."""
    caller, at = caller_of(request), datetime.now(UTC)
    given = {name: value for name, value in payload.dict(exclude_unset=True).items() if value is not None}
    with at_endpoints(caller.route), transaction.atomic():
        endpoint = lock_seen(request, caller.route, endpoint_id)
        endpoint = change_endpoint(caller.route, endpoint.id, actor=caller.actor, at=at, **given)
        return show(request, caller.route, endpoint)


@router.post(
    "/{endpoint_id}/pause",
    response={200: EndpointOut},
    auth=needs("endpoints:write"),
    operation_id="pauseEndpoint",
    summary="Pause an endpoint",
)
@idempotent
def pause(request: HttpRequest, endpoint_id: EndpointId) -> dict[str, Any]:
    """Let an endpoint rest: what is told meanwhile is kept for it as its backlog."""
    caller = caller_of(request)
    with at_endpoints(caller.route):
        endpoint = pause_endpoint(caller.route, read(endpoint_id), actor=caller.actor, at=datetime.now(UTC))
        return show(request, caller.route, endpoint)


@router.post(
    "/{endpoint_id}/resume",
    response={200: EndpointOut},
    auth=needs("endpoints:write"),
    operation_id="resumeEndpoint",
    summary="Resume an endpoint",
)
@idempotent
def resume(request: HttpRequest, endpoint_id: EndpointId, payload: Resumption) -> dict[str, Any]:
    """Let an endpoint that is paused or disabled hear news again, with all that it missed or without."""
    caller, id_ = caller_of(request), read(endpoint_id)
    with at_endpoints(caller.route), transaction.atomic():
        resume_endpoint(caller.route, id_, with_backlog=payload.with_backlog, actor=caller.actor, at=datetime.now(UTC))
        return show(request, caller.route, Endpoint.objects.get(id=id_))


@router.post(
    "/{endpoint_id}/ping",
    response={202: PingOut},
    auth=needs("endpoints:write"),
    operation_id="pingEndpoint",
    summary="Test an endpoint",
)
@idempotent
def send_ping(request: HttpRequest, endpoint_id: EndpointId) -> Status[dict[str, Any]]:
    """Send an endpoint an `endpoint.ping`, signed like everything else, also while it is paused or disabled.

    It is tried once; the deliveries of the event say what your server answered.
    """
    route, id_ = caller_of(request).route, read(endpoint_id)
    with at_endpoints(route):
        try:
            event = ping(route, id_, at=datetime.now(UTC))
        except TooManyPings as error:
            say(request, {"Retry-After": "60"})
            raise Problem(429, "too_many_pings", in_words(error)) from error
    return Status(202, {"object": "ping", "endpoint": encode("end", id_), "event": encode("evt", event.id)})


@router.post(
    "/{endpoint_id}/rotate-secret",
    response={201: EndpointWithSecret},
    auth=needs("endpoints:write"),
    operation_id="rotateEndpointSecret",
    summary="Rotate a signing secret",
)
@idempotent
def rotate(request: HttpRequest, endpoint_id: EndpointId, payload: Rotation) -> Status[dict[str, Any]]:
    """Give an endpoint a new signing secret, shown in this answer only.

    The secrets of before sign along for `overlap_seconds`, so that your server learns the new one without missing a
    callback; 0 ends them at once.
    """
    caller, id_ = caller_of(request), read(endpoint_id)
    with at_endpoints(caller.route), transaction.atomic():
        overlap = timedelta(seconds=payload.overlap_seconds)
        secret = rotate_secret(caller.route, id_, overlap=overlap, actor=caller.actor, at=datetime.now(UTC))
        return Status(201, show_secret(request, caller.route, Endpoint.objects.get(id=id_), secret))


@router.delete(
    "/{endpoint_id}",
    response={204: None},
    auth=needs("endpoints:write"),
    operation_id="deleteEndpoint",
    summary="Delete an endpoint",
)
def delete(request: HttpRequest, endpoint_id: EndpointId) -> Status[None]:
    """End an endpoint for good. What it has not heard is given up; what it heard stays in deliveries and attempts.

    The owners get a letter.
    """
    caller = caller_of(request)
    with at_endpoints(caller.route), transaction.atomic():
        endpoint = lock_seen(request, caller.route, endpoint_id)
        delete_endpoint(caller.route, endpoint.id, actor=caller.actor, at=datetime.now(UTC))
    return Status(204, None)


@contextmanager
def at_endpoints(route: Route) -> Iterator[None]:
    """Stand inside the merchant's schema; what is refused there becomes a problem."""
    try:
        with inside(route.schema):
            yield
    except tuple(FIELDS) as error:
        field = FIELDS[type(error)]
        raise Problem(422, "invalid_field", f"{field}: {in_words(error)}", field=field) from error
    except NoSuchEndpoint as error:
        raise not_found() from error
    except TooManyEndpoints as error:
        raise Problem(409, "too_many_endpoints", in_words(error)) from error
    except BadRotation as error:
        raise Problem(409, "too_many_secrets", in_words(error)) from error
    except NothingToResume as error:
        detail = _("The endpoint is neither paused nor disabled. What it has not heard can be sent by a replay.")
        raise Problem(409, "nothing_to_resume", detail) from error


def not_found() -> Problem:
    return Problem(404, "endpoint_not_found", _("There is no such endpoint in this mode; list them to see which are."))


def read(endpoint_id: str) -> UUID:
    return read_id(endpoint_id, prefix="end", missing=not_found())


def lock_seen(request: HttpRequest, route: Route, endpoint_id: str) -> Endpoint:
    """Return the endpoint's row, locked, if the caller changes what they saw. Stand in a transaction."""
    endpoint = lock([read(endpoint_id)]).filter(mode=route.mode).first()
    if endpoint is None:
        raise not_found()
    check_match(request, set_by_merchant(endpoint))
    return endpoint


def set_by_merchant(endpoint: Endpoint) -> dict[str, Any]:
    """Return what the ETag stands for: not how it is doing, or nobody could ever change a busy endpoint."""
    return {
        "id": str(endpoint.id),
        "url": endpoint.url,
        "events": endpoint.events,
        "description": endpoint.description,
        "headers": hashlib.sha256(bytes(endpoint.headers or b"")).hexdigest(),
    }


def show(request: HttpRequest, route: Route, endpoint: Endpoint) -> dict[str, Any]:
    tagged(request, set_by_merchant(endpoint))
    [document] = show_all(route, [endpoint])
    return document


def show_secret(request: HttpRequest, route: Route, endpoint: Endpoint, secret: SigningSecret) -> dict[str, Any]:
    return show(request, route, endpoint) | {"signing_secret": secret.to_text()}


def show_all(route: Route, endpoints: Sequence[Endpoint]) -> list[dict[str, Any]]:
    """Return what there is to know of these endpoints, by two queries."""
    owed = Delivery.objects.filter(endpoint__in=endpoints, delivered_at=None, given_up_at=None)
    counted = owed.exclude(event__type=EventType.PING).order_by().values("endpoint").annotate(count=Count("id"))
    backlogs = dict(counted.values_list("endpoint", "count"))
    signing = Q(retires_at=None) | Q(retires_at__gt=datetime.now(UTC))
    secrets = EndpointSecret.objects.filter(signing, endpoint__in=endpoints).defer("sealed").order_by("-created_at")
    by_endpoint: dict[UUID, list[EndpointSecret]] = {}
    for secret in secrets:
        by_endpoint.setdefault(secret.endpoint_id, []).append(secret)
    return [_show(route, one, backlogs.get(one.id, 0), by_endpoint.get(one.id, [])) for one in endpoints]


def _show(route: Route, endpoint: Endpoint, backlog: int, secrets: Sequence[EndpointSecret]) -> dict[str, Any]:
    return {
        "object": "endpoint",
        "id": encode("end", endpoint.id),
        "livemode": route.livemode,
        "url": endpoint.url,
        "events": endpoint.events,
        "description": endpoint.description,
        "headers": header_names(route, endpoint),
        "state": state_of(endpoint),
        "paused_at": written_time(endpoint.paused_at),
        "disabled_at": written_time(endpoint.disabled_at),
        "disabled_because": endpoint.disabled_because or None,
        "failing_since": written_time(endpoint.failing_since),
        "failures": endpoint.failures,
        "probed_since": written_time(endpoint.opened_at),
        "backlog": backlog,
        "secrets": [
            {
                "id": encode("sec", secret.id),
                "created_at": written_time(secret.created_at),
                "retires_at": written_time(secret.retires_at),
            }
            for secret in secrets
        ],
        "created_at": written_time(endpoint.created_at),
    }
