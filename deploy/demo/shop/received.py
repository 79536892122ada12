"""What arrived at the shop's door, exactly as it arrived?"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One callback as it arrived; `event` is believed only when `verified`."""

    at: datetime
    headers: Mapping[str, str]
    body: bytes
    event: dict[str, Any]
    verified: bool
    duplicate: bool
    refusal: str = ""

    @property
    def order(self) -> str:
        return order_in(self.event)

    def as_json(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "webhook_id": self.headers.get("webhook-id"),
            "order": self.order,
            "type": self.event.get("type"),
            "verified": self.verified,
            "duplicate": self.duplicate,
            "refusal": self.refusal,
            "headers": dict(self.headers),
            "body": self.body.decode(errors="replace"),
            "event": self.event,
        }


def order_in(event: dict[str, Any]) -> str:
    """Return the number of the order that an event speaks of, or an empty string."""
    return str(value_at(event, "data", "order", "id") or "")


def read_event(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, or an empty one."""
    try:
        event = json.loads(body)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def value_at(event: Any, *path: str) -> Any:
    """Follow a path of names; None where it breaks off. Unverified bodies have any shape."""
    for name in path:
        event = event.get(name) if isinstance(event, dict) else None
    return event
