"""How endpoints and their test pings are shown to whoever works at a terminal."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Q

from results.core.ids import encode
from results.core.result import written_time
from results.endpoints import header_names, state_of
from results.models import Attempt, Delivery, Endpoint, EndpointSecret
from tenants.routing import Route

HIDDEN: Final = "(not shown)"


def facts_of_all(route: Route, *, at: datetime) -> list[dict[str, Any]]:
    """Return what there is to know of a mode's endpoints, oldest first. To be called inside the merchant's schema."""
    # Apart from the endpoints: what is undelivered has an index of its own, and the rest may be millions.
    waiting = Delivery.objects.filter(delivered_at=None, given_up_at=None).values("endpoint")
    counts = dict(waiting.annotate(count=Count("id")).values_list("endpoint", "count"))
    endpoints = Endpoint.objects.filter(mode=route.mode).order_by("id")
    return [_facts(route, endpoint, at=at) | {"undelivered": counts.get(endpoint.id, 0)} for endpoint in endpoints]


def _facts(route: Route, endpoint: Endpoint, *, at: datetime) -> dict[str, Any]:
    secrets = EndpointSecret.objects.filter(Q(retires_at=None) | Q(retires_at__gt=at), endpoint=endpoint)
    retire = [one.retires_at for one in secrets.order_by("retires_at") if one.retires_at]
    return {
        "endpoint": encode("end", endpoint.id),
        "url": endpoint.url,
        "description": endpoint.description,
        "events": endpoint.events,
        "headers": header_names(route, endpoint),
        "state": state_of(endpoint),
        "paused_at": _time(endpoint.paused_at),
        "disabled_at": _time(endpoint.disabled_at),
        "disabled_because": endpoint.disabled_because or None,
        "failing_since": _time(endpoint.failing_since),
        "failures": endpoint.failures,
        "probed_since": _time(endpoint.opened_at),
        "secrets": len(secrets),
        "secrets_retire_at": [_time(moment) for moment in retire],
        "created_at": _time(endpoint.created_at),
    }


def draw(facts: Mapping[str, Any]) -> str:
    """Return one endpoint as a few lines."""
    lines = [f"{facts['endpoint']}  {_standing(facts)}", f"  {facts['url']}"]
    if facts["description"]:
        lines.append(f"  {facts['description']}")
    lines.append(f"  hears {', '.join(facts['events'])}")
    if facts["headers"]:
        lines.append(f"  adds {', '.join(facts['headers'])}")
    until = f", the last of the old ones until {facts['secrets_retire_at'][-1]}" if facts["secrets_retire_at"] else ""
    lines.append(f"  {_counted(facts['secrets'], 'secret')} in use{until}; {facts['undelivered']} undelivered")
    return "\n".join(lines)


def _standing(facts: Mapping[str, Any]) -> str:
    because = dict(Endpoint.Disabled.choices).get(facts["disabled_because"])
    words = {
        "disabled": f"disabled since {facts['disabled_at']}: {because}",
        "paused": f"paused since {facts['paused_at']}",
        "probed": f"probed since {facts['probed_since']}: failing since {facts['failing_since']}",
        "failing": f"failing since {facts['failing_since']}, {_counted(facts['failures'], 'time')} in a row",
    }
    return words.get(facts["state"], "listening")


def facts_of_ping(route: Route, attempt: Attempt) -> dict[str, Any]:
    """Return what was sent and answered. Signatures and the merchant's own headers are named, not shown."""
    delivery: Delivery = attempt.delivery
    return {
        "url": delivery.endpoint.url,
        "headers": {
            "content-type": "application/json; charset=utf-8",
            "webhook-id": encode("evt", delivery.event_id),
            "webhook-timestamp": str(int(attempt.started_at.timestamp())),
            "webhook-signature": HIDDEN,
            "x-paywitness-attempt": str(attempt.number),
        }
        | dict.fromkeys(header_names(route, delivery.endpoint), HIDDEN),
        "status": attempt.status,
        "error": attempt.error or None,
        "ms": attempt.duration_ms,
        "delivered": delivery.delivered_at is not None,
    }


def draw_ping(facts: Mapping[str, Any]) -> str:
    answer = facts["status"] if facts["status"] is not None else "no answer"
    fault = f" ({facts['error']})" if facts["error"] else ""
    headers = [f"  {name}: {value}" for name, value in facts["headers"].items()]
    return "\n".join([f"POST {facts['url']}", *headers, f"→ {answer}{fault} after {facts['ms']} ms"])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _time(moment: datetime | None) -> str | None:
    return written_time(moment) if moment else None
