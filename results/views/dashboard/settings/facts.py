"""What the settings show of endpoints: how each is doing, what waits for it, what came of the latest tries."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Q

from results.backlog import backlog_of, undelivered
from results.core.ids import encode
from results.endpoints import NoSuchEndpoint, header_names, state_of
from results.health import host_of
from results.models import Attempt, Delivery, Endpoint, EndpointSecret
from tenants.routing import Route

LATEST: Final = 20
SHAPES: Final = {
    "listening": "paid",
    "failing": "waiting",
    "probed": "review",
    "paused": "pending",
    "disabled": "failed",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One endpoint with how it is doing; `shape` is the state that its mark is drawn like."""

    endpoint: Endpoint
    backlog: int

    @property
    def state(self) -> str:
        return state_of(self.endpoint)

    @property
    def host(self) -> str:
        return host_of(self.endpoint)

    @property
    def shape(self) -> str:
        return SHAPES[self.state]

    @property
    def may_resume(self) -> bool:
        return self.state in ("paused", "disabled")


def show_all(route: Route) -> list[Shown]:
    """Return a mode's endpoints, oldest first, in two questions."""
    waiting = undelivered().values("endpoint")
    counts = dict(waiting.annotate(count=Count("id")).values_list("endpoint", "count"))
    endpoints = Endpoint.objects.filter(mode=route.mode).order_by("id")
    return [Shown(endpoint, counts.get(endpoint.id, 0)) for endpoint in endpoints]


def show_one(route: Route, endpoint_id: UUID) -> Shown:
    """Return one endpoint; raise NoSuchEndpoint."""
    endpoint = Endpoint.objects.filter(mode=route.mode, id=endpoint_id).first()
    if endpoint is None:
        raise NoSuchEndpoint(encode("end", endpoint_id))
    return Shown(endpoint, backlog_of(endpoint.id).count())


def secrets_of(endpoint: Endpoint, *, at: datetime) -> list[EndpointSecret]:
    """Return the secrets that sign now, newest first; never what they say."""
    signing = EndpointSecret.objects.filter(Q(retires_at=None) | Q(retires_at__gt=at), endpoint=endpoint)
    return list(signing.defer("sealed").order_by("-created_at"))


def latest_attempts(endpoint: Endpoint) -> list[Attempt]:
    """Return the newest tries to tell this endpoint something."""
    attempts = Attempt.objects.filter(delivery__endpoint=endpoint).defer("body").order_by("-id")
    return list(attempts.select_related("delivery__event").defer("body", "delivery__event__body")[:LATEST])


@dataclass(frozen=True, slots=True)
class Ping:
    """A test of an endpoint: what is sent, and what was answered if anything was."""

    endpoint: Endpoint
    event_id: UUID
    body: str
    headers: list[tuple[str, str]]
    attempt: Attempt | None
    answer: str
    delivered: bool


def find_ping(route: Route, endpoint_id: UUID, event_id: UUID) -> Ping | None:
    """Return what is known of a test; None when there was none. Signatures and secret headers are named, not shown."""
    deliveries = Delivery.objects.select_related("event", "endpoint")
    delivery = deliveries.filter(endpoint=endpoint_id, endpoint__mode=route.mode, event=event_id).first()
    if delivery is None or delivery.event.type != "endpoint.ping":
        return None
    # With its delivery in one statement: read apart they could contradict.
    attempt = Attempt.objects.select_related("delivery").filter(delivery=delivery).order_by("-number").first()
    return Ping(
        endpoint=delivery.endpoint,
        event_id=event_id,
        body=_legible(bytes(delivery.event.body)),
        headers=_headers(route, delivery, attempt),
        attempt=attempt,
        answer=bytes(attempt.body).decode("utf-8", "replace") if attempt else "",
        delivered=attempt is not None and attempt.delivery.delivered_at is not None,
    )


def _headers(route: Route, delivery: Delivery, attempt: Attempt | None) -> list[tuple[str, str]]:
    """Return what the request says of itself; an empty value is one that is not shown."""
    sent = [("content-type", "application/json; charset=utf-8"), ("webhook-id", encode("evt", delivery.event_id))]
    if attempt:
        sent += [("webhook-timestamp", str(int(attempt.started_at.timestamp())))]
    sent += [("webhook-signature", "")]
    if attempt:
        sent += [("x-paywitness-attempt", str(attempt.number))]
    return sent + [(name, "") for name in header_names(route, delivery.endpoint)]


def _legible(body: bytes) -> str:
    parsed: Any = json.loads(body)
    return json.dumps(parsed, ensure_ascii=False, indent=2)
