"""Which problems can an operation answer with? Each `type` is stable: a merchant's server may decide by it."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from api.errors import TYPES

# Its status, what it says for example, and the field that is at fault.
PROBLEMS: Final[Mapping[str, tuple[int, str, str | None]]] = {
    "unreadable": (400, "The body cannot be read; send a JSON object.", None),
    "bad_cursor": (400, "cursor: this is not one of ours; leave it out to begin with the newest.", "cursor"),
    "bad_idempotency_key": (
        400,
        "Idempotency-Key: give 1 to 255 printable ASCII characters.",
        "Idempotency-Key",
    ),
    "unauthenticated": (401, "Send an API key that is still valid as `Authorization: Bearer pwk_…`.", None),
    "scope_missing": (403, "This key may not do this: make one with the scope orders:write.", None),
    "no_such_address": (404, "There is no such address; see /api/v1/docs.", None),
    "order_not_found": (404, "There is no such order in this mode; register it with PUT.", None),
    "payment_not_found": (404, "There is no such payment in this mode.", None),
    "event_not_found": (404, "There is no such event in this mode.", None),
    "delivery_not_found": (404, "There is no such delivery in this mode.", None),
    "replay_not_found": (404, "There is no such replay in this mode.", None),
    "endpoint_not_found": (404, "There is no such endpoint in this mode; list them to see which are.", None),
    "route_key_not_found": (404, "There is no such route key in this mode; list them to see which are.", None),
    "credentials_not_found": (
        404,
        "There are no keys of PortOne in this mode: set them with PUT /credentials.",
        None,
    ),
    "method_not_allowed": (405, "Use GET, POST here.", None),
    "still_running": (409, "The first request with this Idempotency-Key is still under way.", None),
    "order_already_paid": (409, "amount: the order has been paid; its amount cannot change any more.", "amount"),
    "payment_unnamed": (
        409,
        "PortOne has not named this payment: it is known only from what a customer's browser said.",
        None,
    ),
    "not_under_review": (409, "There is no open review of this payment: it has none, or somebody has ended it.", None),
    "ping_not_repeated": (409, "A ping is never sent again: send the endpoint a new one.", None),
    "not_subscribed": (
        409,
        "The endpoint no longer listens to payment.paid: add the type to its events first.",
        None,
    ),
    "nothing_to_cancel": (
        409,
        "Nothing of this replay is left to stop: everything was sent, or it was stopped before.",
        None,
    ),
    "too_many_endpoints": (409, "A mode has 20 endpoints at most. Delete one first.", None),
    "too_many_secrets": (409, "Wait until an older secret has retired, or end them with an overlap of 0.", None),
    "nothing_to_resume": (
        409,
        "The endpoint is neither paused nor disabled. What it has not heard can be sent by a replay.",
        None,
    ),
    "route_key_is_current": (
        409,
        "These addresses are the current ones: rotate them first, so that there are others.",
        None,
    ),
    "changed_meanwhile": (
        412,
        "Somebody changed it meanwhile: read it again, and send its ETag as If-Match.",
        "If-Match",
    ),
    "body_too_long": (413, "The body is too long: send at most 65536 bytes.", None),
    "invalid_field": (422, "amount: give more than 0.", "amount"),
    "unknown_field": (422, "There is no field “amuont”; leave it out.", "amuont"),
    "idempotency_key_reused": (
        422,
        "This Idempotency-Key came with another request before: take a new one for each request.",
        "Idempotency-Key",
    ),
    "live_mode_only": (422, "prepares: PortOne knows it in live mode only.", "prepares"),
    "keys_refused": (
        422,
        "PortOne refuses these keys: compare key and secret with PortOne's console, and copy both once more.",
        "imp_key",
    ),
    "tier_refused": (
        422,
        "PortOne takes the keys, but not for this sub-store: correct the code, or leave it out.",
        "tier",
    ),
    "too_many_requests": (
        429,
        "This key has asked too often: wait 1 s. It may ask 100 times a second, 500 at once.",
        None,
    ),
    "too_many_pings": (429, "This endpoint was tested ten times within a minute: wait a minute.", None),
    "our_fault": (500, "We could not do this just now. Please try again.", None),
    "portone_busy": (503, "PortOne takes no more questions just now: try again in a minute.", None),
    "portone_silent": (503, "PortOne does not answer just now: try again in a minute.", None),
}
ABSENT: Final = {
    "order_id": "order_not_found",
    "payment_id": "payment_not_found",
    "event_id": "event_not_found",
    "delivery_id": "delivery_not_found",
    "replay_id": "replay_not_found",
    "endpoint_id": "endpoint_not_found",
    "route_key_id": "route_key_not_found",
}
# What an operation may answer beside what follows from its method, address and body.
OF_ONE_OPERATION: Final[Mapping[str, Sequence[str]]] = {
    "createOrder": ["order_already_paid"],
    "putOrder": ["order_already_paid"],
    "updateOrder": ["order_already_paid"],
    "expireOrder": ["order_already_paid"],
    "refreshPayment": ["payment_unnamed"],
    "resolvePayment": ["not_under_review"],
    "retryDelivery": ["ping_not_repeated", "not_subscribed"],
    "createReplay": ["event_not_found", "order_not_found", "endpoint_not_found"],
    "cancelReplay": ["nothing_to_cancel"],
    "createEndpoint": ["too_many_endpoints"],
    "resumeEndpoint": ["nothing_to_resume"],
    "rotateEndpointSecret": ["too_many_secrets"],
    "putCredentials": ["keys_refused", "tier_refused", "portone_busy", "portone_silent"],
    "testCredentials": ["credentials_not_found"],
    "retireRouteKey": ["route_key_is_current"],
    "updateSettings": ["live_mode_only"],
}
MATCHED: Final = ("PUT", "PATCH", "DELETE")  # which take If-Match
ALSO_MATCHED: Final = ("resolvePayment",)


def takes_match(method: str, operation_id: str) -> bool:
    return method in MATCHED or operation_id in ALSO_MATCHED


def problems_of(method: str, operation: Mapping[str, Any], *, scoped: bool) -> list[str]:
    """Return the types of problem that an operation of the document can answer with."""
    inputs = operation["parameters"]
    names = [one["name"] for one in inputs]
    found = ["unauthenticated", "too_many_requests"]
    found += ["scope_missing"] if scoped else []
    found += [ABSENT[one["name"]] for one in inputs if one["in"] == "path"]
    found += ["invalid_field"] if inputs or "requestBody" in operation else []
    found += ["bad_cursor", "unknown_field"] if "cursor" in names else []
    found += ["changed_meanwhile"] if takes_match(method, operation["operationId"]) else []
    if "requestBody" in operation or method == "POST":  # a POST without fields refuses those that are sent
        found += ["unreadable", "body_too_long", "unknown_field"]
    if method == "POST":
        found += ["bad_idempotency_key", "still_running", "idempotency_key_reused"]
    found += OF_ONE_OPERATION.get(operation["operationId"], ())
    return sorted(set(found), key=lambda type: (PROBLEMS[type][0], found.index(type)))


def example_problem(type: str) -> dict[str, Any]:
    """Return a problem of this type, as it is answered."""
    status, detail, field = PROBLEMS[type]
    document = {"type": TYPES + type, "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return document | ({"field": field} if field else {})
