"""What do requests and answers look like? One example of each shape, by its name in the document."""

from typing import Any, Final

from api.endpoints import EXAMPLE_SECRET
from api.example_events import ENDPOINT, MERCHANT, ORDER, PAYMENT, SITE, example_event, id_of
from results.core.words import DEFAULT_EVENTS, EventType

TIME: Final = "2026-11-21T05:12:03.120Z"
EARLIER: Final = "2026-11-21T05:09:03.120Z"
LATER: Final = "2026-11-22T05:12:03.120Z"
EVENT, DELIVERY, REPLAY = id_of("evt"), id_of("dlv"), id_of("rep")
ROUTE_KEY, SECRET, CURSOR = id_of("rtk"), id_of("sec"), id_of("cur")
SHOP: Final = "https://shop.example.com"
HOST: Final = "shop.example.com"
REASON: Final = "The customer paid the rest in the shop."

PAID: Final = example_event(EventType.PAID)
PAYMENT_SAID: Final = PAID["data"]["payment"]
ORDER_SAID: Final = {
    "object": "order",
    "id": ORDER,
    "livemode": True,
    "status": "registered",
    "flags": [],
    "expected": PAID["data"]["order"]["expected"],
    "expires_at": LATER,
    "name": "식빵 두 개",
    "return_url": f"{SHOP}/orders/complete",
    "metadata": {"cart": "c-981"},
    "created_at": EARLIER,
}
NEW_ORDER: Final = {
    "amount": 64900,
    "currency": "KRW",
    "expires_at": LATER,
    "name": "식빵 두 개",
    "return_url": f"{SHOP}/orders/complete",
    "metadata": {"cart": "c-981"},
}
PAYMENT_OUT: Final = PAYMENT_SAID | {
    "object": "payment",
    "livemode": True,
    "order": ORDER,
    "event": EVENT,
    "checked_at": TIME,
}
ATTEMPT: Final = {
    "number": 1,
    "trigger": "schedule",
    "started_at": TIME,
    "ms": 87,
    "status": 200,
    "error": None,
    "answer": "ok",
    "truncated": False,
}
DELIVERY_OUT: Final = {
    "object": "delivery",
    "id": DELIVERY,
    "livemode": True,
    "event": EVENT,
    "event_type": "payment.paid",
    "endpoint": ENDPOINT,
    "host": HOST,
    "state": "delivered",
    "held": None,
    "tries": 1,
    "created_at": TIME,
    "tried_at": TIME,
    "next_at": None,
    "delivered_at": TIME,
    "given_up_at": None,
    "heard_at": TIME,
    "replay": None,
}
FILTER: Final = {
    "types": ["payment.*"],
    "order": None,
    "status": None,
    "created_from": None,
    "created_before": None,
    "undelivered_since": EARLIER,
    "event": None,
    "endpoint": None,
}
ENDPOINT_OUT: Final = {
    "object": "endpoint",
    "id": ENDPOINT,
    "livemode": True,
    "url": f"{SHOP}/paywitness",
    "events": [str(pattern) for pattern in DEFAULT_EVENTS],
    "description": "order server",
    "headers": ["x-gateway-key"],
    "state": "listening",
    "paused_at": None,
    "disabled_at": None,
    "disabled_because": None,
    "failing_since": None,
    "failures": 0,
    "probed_since": None,
    "backlog": 0,
    "secrets": [{"id": SECRET, "created_at": TIME, "retires_at": None}],
    "created_at": TIME,
}
CHOSEN: Final = {
    "return_urls": [f"{SHOP}/orders/complete"],
    "origins": [SHOP],
    "policy": "strict",
    "confirm_policy": "open",
    "prepares": True,
    "reads_prepared": False,
    "language": None,
    "retention_days": {"arrivals": 30, "replies": 30, "attempts": 90},
}
MONEY: Final = {"amount": 64900, "currency": "KRW", "exponent": 0}
SAID: Final = {
    "order": ORDER,
    "status": "paid",
    "amount": "64900",
    "cancelled": "0",
    "currency": "KRW",
    "sandbox": False,
}
STORY: Final = {
    "object": "story",
    "payment": PAYMENT,
    "livemode": True,
    "at": LATER,
    "order": {
        "id": ORDER,
        "status": "paid",
        "flags": [],
        "expected": MONEY,
        "source": "orders_api",
        "registered_at": EARLIER,
        "expires_at": LATER,
        "events": 1,
        "payments": 1,
    },
    "payments": [
        {
            "id": PAYMENT,
            "imp_uid": "imp_448280090638",
            "status": "paid",
            "type": "payment.paid",
            "version": 1,
            "verified": "matched",
            "checks": PAYMENT_SAID["verification"]["checks"],
            "mismatches": [],
            "money_moved": True,
            "final": False,
            "said": SAID,
            "observed_at": TIME,
            "first_seen_at": TIME,
            "resolution": None,
        }
    ],
    "arrivals": [
        {
            "received_at": TIME,
            "kind": "webhook",
            "imp_uid": "imp_448280090638",
            "order": ORDER,
            "outcome": "unknown",
            "status": "paid",
            "event": None,
            "cancellation_id": None,
            "error_code": None,
            "problems": [],
            "settled_at": TIME,
        }
    ],
    "questions": [
        {
            "asked_at": TIME,
            "question": "single",
            "imp_uid": "imp_448280090638",
            "order": None,
            "answer": "found",
            "detail": "",
            "ms": 140,
            "said": SAID,
        }
    ],
    "events": [
        {
            "id": EVENT,
            "sequence": 1,
            "type": "payment.paid",
            "created_at": TIME,
            "payment": "imp_448280090638",
            "status": "paid",
            "verified": "matched",
            "failed_checks": [],
            "checks": PAYMENT_SAID["verification"]["checks"],
            "amounts": {"currency": "KRW", "exponent": 0, "total": 64900, "captured": 64900, "cancelled": 0},
            "cause": "webhook",
            "late": False,
            "supersedes": None,
            "previous": None,
            "deliveries": [
                {
                    "endpoint": HOST,
                    "delivered_at": TIME,
                    "given_up_at": None,
                    "next_at": None,
                    "held": "",
                    "attempts": [
                        {"number": 1, "trigger": "schedule", "started_at": TIME, "ms": 87, "status": 200, "error": ""}
                    ],
                }
            ],
        }
    ],
    "duties": [],
    "left_out": [],
}
ROUTE_KEY_OUT: Final = {
    "object": "route_key",
    "id": ROUTE_KEY,
    "livemode": True,
    "kind": "webhook",
    "addresses": {"webhook": f"{SITE}/webhook/wk_0123456789abcdefghjkmnpqrs"},
    "works_until": None,
    "created_at": TIME,
}
CREDENTIALS: Final = {
    "object": "credentials",
    "livemode": True,
    "state": "in_use",
    "imp_key": "…3456",
    "tier": "",
    "connected_at": TIME,
    "refused_at": None,
    "asks_again_at": None,
}

# A shape has one example, or several by their names.
EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "Me": {
        "object": "api_key",
        "key": "pwk_live_0123456789ab",
        "name": "order server",
        "merchant": MERCHANT,
        "merchant_name": "동네빵집",
        "livemode": True,
        "scopes": ["events:read", "orders:read", "orders:write", "payments:read"],
        "created_at": TIME,
        "expires_at": None,
    },
    "NewOrder": {"id": ORDER} | NEW_ORDER,
    "OrderIn": NEW_ORDER,
    "OrderChange": {"amount": 59900},
    "OrderOut": ORDER_SAID,
    "PaymentOut": PAYMENT_OUT,
    "Refresh": {"object": "payment_refresh", "payment": PAYMENT, "due_at": TIME, "asked_at": EARLIER},
    "ReviewEnded": {"decision": "accept", "reason": REASON},
    "StoryOut": STORY,
    "EventOut": PAID,
    "DeliveryOut": DELIVERY_OUT,
    "DeliveryWithAttempts": DELIVERY_OUT | {"attempts": [ATTEMPT]},
    "ReplayIn": {"filter": {"types": ["payment.*"], "undelivered_since": EARLIER}, "dry_run": True},
    "PlanOut": {
        "object": "replay_plan",
        "livemode": True,
        "events": 12,
        "deliveries": 12,
        "shares": [{"endpoint": ENDPOINT, "host": HOST, "deliveries": 12, "held": None}],
    },
    "ReplayOut": {
        "object": "replay",
        "id": REPLAY,
        "livemode": True,
        "filter": FILTER,
        "state": "running",
        "expected": 12,
        "made": 12,
        "delivered": 11,
        "given_up": 0,
        "undelivered": 1,
        "untried": 1,
        "overtaken": 0,
        "created_at": TIME,
        "ended_at": None,
    },
    "NewEndpoint": {
        "url": f"{SHOP}/paywitness",
        "description": "order server",
        "headers": {"x-gateway-key": "0123456789abcdef"},
    },
    "EndpointChange": {"url": f"{SHOP}/paywitness", "events": ["payment.*", "claim.rejected"]},
    "Resumption": {"with_backlog": True},
    "Rotation": {"overlap_seconds": 86400},
    "EndpointOut": ENDPOINT_OUT,
    "EndpointWithSecret": ENDPOINT_OUT | {"signing_secret": EXAMPLE_SECRET},
    "PingOut": {"object": "ping", "endpoint": ENDPOINT, "event": EVENT},
    "Keys": {"imp_key": "1234567890123456", "imp_secret": "0123456789abcdef", "tier": ""},
    "CredentialsOut": CREDENTIALS,
    "CredentialsTest": {
        "object": "credentials_test",
        "livemode": True,
        "result": "accepted",
        "detail": "PortOne takes these keys.",
        "channels": 2,
        "tested_at": TIME,
    },
    "KeyToRotate": {"kind": "webhook"},
    "RouteKeyOut": ROUTE_KEY_OUT,
    "SettingsChange": {"policy": "strict", "return_urls": [f"{SHOP}/orders/complete"]},
    "SettingsOut": {"object": "settings", "livemode": True} | CHOSEN,
}

LISTED: Final = "ListOf"


def example_of(shape: str) -> dict[str, Any]:
    """Return the example of a shape, of a list too."""
    if shape.startswith(LISTED):
        listed = example_of(shape.removeprefix(LISTED))
        return {"object": "list", "data": [listed], "next_cursor": CURSOR}
    return EXAMPLES[shape]


# What stands for the id in an address.
IDS: Final = {
    "order_id": ORDER,
    "payment_id": PAYMENT,
    "event_id": EVENT,
    "delivery_id": DELIVERY,
    "replay_id": REPLAY,
    "endpoint_id": ENDPOINT,
    "route_key_id": ROUTE_KEY,
}
