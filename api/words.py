"""The document's own words: what all operations share, said once, and what each event tells."""

from typing import Any, Final

from results.core.words import EventType

INTRODUCTION: Final = """\
Paywitness tells your server, truthfully and without loss, what became of your PortOne payments.

**Keys.** Every request carries `Authorization: Bearer pwk_…`. A key opens one mode (`pwk_test_…` or `pwk_live_…`) and \
may do what its scopes say. What belongs to another mode or merchant is never found: 404.

**Money and times.** Amounts are whole minor units with their currency and exponent: 64900 KRW is ₩64,900. Times are \
RFC 3339 in UTC with milliseconds.

**Problems.** What cannot be done is answered with `application/problem+json` (RFC 9457). Decide by `type`, which is \
stable; show `detail` to people, in Korean or English by `Accept-Language`. `field` names what is at fault.

**Repeats.** Send an `Idempotency-Key` with every POST: whoever got no answer sends the same again, and it is done once.

**Lists** are newest first. Follow `next_cursor` until it is null; what arrives meanwhile shifts nothing.

**Changes.** Send the `ETag` that you read as `If-Match`, and nobody's change is lost.

**Numbers.** Every answer carries a `Request-Id`, which is in our log too: name it when you ask us.

**Callbacks.** What happens is told to your endpoints, signed by Standard Webhooks: see the webhooks of this document. \
Ignore types and fields that you do not know; new ones may come.
"""
TAGS: Final = {
    "me": "Which key this is, and what it may do.",
    "orders": "What you expect to be paid, said before the payment window opens.",
    "payments": "Each try to pay an order, and what is known of it.",
    "events": "What you were told, byte for byte.",
    "deliveries": "Each event that an endpoint is to hear, and what your server answered.",
    "replays": "Be told again what you missed.",
    "endpoints": "Where your server hears us, and who signs.",
    "credentials": "The keys with which we ask PortOne. They are never shown.",
    "route keys": "The addresses that your shop and PortOne's console have of us.",
    "settings": "Where customers may go back to, what is believed of an order, and how long things stay.",
    "callbacks": "What your server hears.",
}
EVENTS: Final[dict[EventType, str]] = {
    EventType.PAID: "A payment is paid, and was verified: the only signal to deliver the goods",
    EventType.PARTIALLY_CANCELLED: "Some of the money was given back",
    EventType.CANCELLED: "All of the money was given back",
    EventType.ACCOUNT_ISSUED: "A virtual account waits for its deposit",
    EventType.ACCOUNT_EXPIRED: "Nothing was deposited in time",
    EventType.DEPOSIT_REVERSED: "A deposit was taken back: the account waits again",
    EventType.EXPIRED: "The payment window was opened and never used",
    EventType.PENDING: "PortOne does not answer yet: neither paid nor failed",
    EventType.NOT_STARTED: "The payment window did not open: only the shop can mend this",
    EventType.ABANDONED: "The customer left the payment window",
    EventType.DECLINED: "The card or account was declined: another method may work",
    EventType.FAILED: "The payment failed for another reason",
    EventType.REVIEW_AMOUNT: "Under review: another amount was paid than expected",
    EventType.REVIEW_CURRENCY: "Under review: another currency was paid than expected",
    EventType.REVIEW_ORDER: "Under review: the payment is of another order",
    EventType.REVIEW_UNKNOWN_ORDER: "Under review: nobody registered the order",
    EventType.REVIEW_LIVEMODE: "Under review: a test payment in live mode, or the reverse",
    EventType.REVIEW_DUPLICATE: "Under review: the order has been paid before",
    EventType.REVIEW_ANOMALY: "Under review: PortOne contradicts itself",
    EventType.REVIEW_RESOLVED: "A review was ended by a person",
    EventType.CLAIM_NOT_FOUND: "PortOne knows no payment that was claimed",
    EventType.CLAIM_REJECTED: "A claim is about somebody else's payment",
    EventType.CREDENTIALS_INVALID: "PortOne refuses your keys: nothing can be verified",
    EventType.RECONCILIATION_GAP: "Payments were found of which no notification had come",
    EventType.PING: "A test of an endpoint",
    EventType.ENDPOINT_DISABLED: "Another endpoint of yours is called no more",
}
SIGNED: Final[dict[str, dict[str, Any]]] = {
    "webhook-id": {"required": True, "description": "The event's id: the same in every retry and replay."},
    "webhook-timestamp": {"required": True, "description": "When this attempt was signed, in seconds since 1970."},
    "webhook-signature": {
        "required": True,
        "description": "Standard Webhooks: `v1,` and a base64 HMAC-SHA256 for each secret that signs, with spaces.",
    },
    "x-paywitness-attempt": {"required": True, "description": "Number of the attempt; a hint that is not signed."},
    "x-paywitness-replay": {"required": False, "description": "The replay that sends it again, if one does."},
}


def header(description: str, schema: dict[str, Any], example: object, *, required: bool = False) -> dict[str, Any]:
    said: dict[str, Any] = {"description": description, "schema": schema, "example": example}
    return said | ({"required": True} if required else {})


TEXT: Final = {"type": "string"}
NUMBER: Final = {"type": "integer", "minimum": 0}
HEADERS: Final = {
    "Request-Id": header("Finds this request in our log.", TEXT, "req_0123456789abcdef01234567", required=True),
    "Content-Language": header("The language of `detail`.", {"enum": ["en", "ko"], **TEXT}, "ko", required=True),
    "RateLimit-Limit": header("Requests that a rested key may make at once.", NUMBER, 100, required=True),
    "RateLimit-Remaining": header("Requests that are left now.", NUMBER, 99, required=True),
    "RateLimit-Reset": header("Seconds until the key has rested.", NUMBER, 1, required=True),
    "Retry-After": header("Seconds to wait; with 409 when the first request is under way.", NUMBER, 1),
    "ETag": header("Send it as `If-Match` with a change.", TEXT, '"2c26b46b68ffc68ff99b453c1d304134"', required=True),
    "Idempotent-Replayed": header("This answer was given before.", {"const": "true", **TEXT}, "true"),
    "WWW-Authenticate": header("How to say who asks.", TEXT, "Bearer", required=True),
}
