"""What is a shop owner told about a payment? One short sentence for each word of ours; the word stands beside it."""

from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from results.core.words import Check, EventType, Flag, MethodType, PaymentStatus, Verified

Text = str | Promise


@dataclass(frozen=True, slots=True)
class State:
    """A state as it is shown: a word, and the shape and colour that go with it (`state-…`)."""

    word: Text
    shape: str


STATES: Final[dict[str, State]] = {
    PaymentStatus.PAID: State(_("Confirmed"), "paid"),
    PaymentStatus.PARTIALLY_CANCELLED: State(_("Partly cancelled"), "paid"),
    PaymentStatus.AWAITING_DEPOSIT: State(_("Waiting for deposit"), "waiting"),
    PaymentStatus.REVIEW: State(_("Needs your review"), "review"),
    PaymentStatus.PENDING: State(_("Not finished"), "pending"),
    PaymentStatus.FAILED: State(_("Payment failed"), "failed"),
    PaymentStatus.EXPIRED: State(_("Expired"), "failed"),
    PaymentStatus.CANCELLED: State(_("Cancelled"), "cancelled"),
}
METHODS: Final[dict[str, Text]] = {
    MethodType.CARD: _("Card"),
    MethodType.BANK_TRANSFER: _("Bank transfer"),
    MethodType.VIRTUAL_ACCOUNT: _("Virtual account"),
    MethodType.PHONE: _("Mobile phone"),
    MethodType.EASY_PAY: _("Easy pay"),
    MethodType.POINT: _("Points"),
    MethodType.GIFT: _("Gift voucher"),
    MethodType.OVERSEAS_WALLET: _("Overseas wallet"),
    MethodType.UNKNOWN: _("Another method"),
}
VERIFIED: Final[dict[str, Text]] = {
    Verified.MATCHED: _("PortOne confirmed it, and it is what your shop expected."),
    Verified.MISMATCHED: _("PortOne confirmed it, but it is not what your shop expected."),
    Verified.NOT_CHECKED: _("PortOne confirmed it. Your shop had not said what it expects, so nothing was compared."),
    Verified.UNAVAILABLE: _("PortOne has not answered yet. Nothing is known for sure."),
    Verified.CLAIMED: _("Only the customer’s browser says so. PortOne knows of no such payment."),
}


@dataclass(frozen=True, slots=True)
class CheckWords:
    """One of the six checks: its short name, what passing means and what failing means."""

    name: Text
    passed: Text
    failed: Text
    skipped: Text


CHECKS: Final[dict[str, CheckWords]] = {
    "account": CheckWords(
        _("Account"),
        _("Your own PortOne account answered."),
        _("Another account answered."),
        _("Several shops use this PortOne account, so it is not sure yet whose payment it is."),
    ),
    "order": CheckWords(
        _("Order"),
        _("It belongs to this order."),
        _("It was made for another order."),
        _("Nobody named the order before."),
    ),
    "amount": CheckWords(
        _("Amount"),
        _("The amount is the expected one."),
        _("The amount is not the expected one."),
        _("No expected amount is known."),
    ),
    "currency": CheckWords(
        _("Currency"),
        _("The currency is the expected one."),
        _("The currency is not the expected one."),
        _("No expected currency is known."),
    ),
    "livemode": CheckWords(
        _("Mode"),
        _("Real money in live mode, or test money in test mode."),
        _("Test money in live mode, or real money in test mode."),
        _("PortOne has not said whether it is a test."),
    ),
    "uniqueness": CheckWords(
        _("Paid once"),
        _("No other payment has paid this order."),
        _("The order had been paid already."),
        _("Not looked at yet."),
    ),
}
MARKS: Final[dict[str, tuple[str, Text]]] = {
    Check.PASS: ("✓", _("passed")),
    Check.FAIL: ("✗", _("failed")),
    Check.SKIPPED: ("–", _("not checked")),
}
EVENTS: Final[dict[str, Text]] = {
    EventType.PAID: _("Payment confirmed"),
    EventType.PARTIALLY_CANCELLED: _("Part of the payment was cancelled"),
    EventType.CANCELLED: _("The payment was cancelled"),
    EventType.ACCOUNT_ISSUED: _("A virtual account was issued"),
    EventType.ACCOUNT_EXPIRED: _("The virtual account expired without a deposit"),
    EventType.DEPOSIT_REVERSED: _("The bank took the deposit back"),
    EventType.EXPIRED: _("The payment window was never used"),
    EventType.PENDING: _("PortOne does not answer, so the payment is not confirmed yet"),
    EventType.NOT_STARTED: _("The payment window did not open"),
    EventType.ABANDONED: _("The customer closed the payment window"),
    EventType.DECLINED: _("The payment was declined"),
    EventType.FAILED: _("The payment failed"),
    EventType.REVIEW_AMOUNT: _("Held for review: the amount differs"),
    EventType.REVIEW_CURRENCY: _("Held for review: the currency differs"),
    EventType.REVIEW_ORDER: _("Held for review: it was made for another order"),
    EventType.REVIEW_UNKNOWN_ORDER: _("Held for review: nobody registered the order"),
    EventType.REVIEW_LIVEMODE: _("Held for review: a test payment in live mode, or the reverse"),
    EventType.REVIEW_DUPLICATE: _("Held for review: the order was paid twice"),
    EventType.REVIEW_ANOMALY: _("Held for review: PortOne’s answers contradict each other"),
    EventType.REVIEW_RESOLVED: _("The review was ended"),
    EventType.CLAIM_NOT_FOUND: _("PortOne knows of no such payment"),
    EventType.CLAIM_REJECTED: _("A false claim was refused"),
}
# The same where the word "review" stands beside it.
REVIEWS: Final[dict[str, Text]] = {
    EventType.REVIEW_AMOUNT: _("The amount differs"),
    EventType.REVIEW_CURRENCY: _("The currency differs"),
    EventType.REVIEW_ORDER: _("It was made for another order"),
    EventType.REVIEW_UNKNOWN_ORDER: _("Nobody registered the order"),
    EventType.REVIEW_LIVEMODE: _("A test payment in live mode, or the reverse"),
    EventType.REVIEW_DUPLICATE: _("The order was paid twice"),
    EventType.REVIEW_ANOMALY: _("PortOne’s answers contradict each other"),
}
CAUSES: Final[dict[str, Text]] = {
    "landing": _("because the customer came back"),
    "webhook": _("because PortOne’s webhook came"),
    "virtual_account_deposit": _("because the deposit came in"),
    "reconciliation": _("because we asked PortOne by ourselves"),
    "late_approval": _("because it was approved after all"),
    "order_registered": _("because your shop registered the order"),
    "member": _("because a member decided so"),
}
FLAGS: Final[dict[str, Text]] = {
    Flag.DUPLICATE_PAYMENT: _("paid twice"),
    Flag.EXPECTED_CONFLICT: _("two sources expect different amounts"),
    Flag.ORDER_EXPIRED: _("paid after the order had expired"),
    Flag.REVIEW: _("a payment needs your review"),
}
SOURCES: Final[dict[str, Text]] = {
    "orders_api": _("your server registered it"),
    "order_token": _("your server signed it"),
    "prepare": _("announced to PortOne beforehand"),
}
ERRORS: Final[dict[str, Text]] = {
    "dns": _("The name of the server was not found."),
    "refused": _("The server took no connection."),
    "timeout": _("No answer within 15 seconds."),
    "tls": _("The certificate of the server is not valid."),
    "forbidden_target": _("The address is not a public one, so it was not called."),
    "too_large": _("The answer was too large."),
    "protocol": _("The answer was no proper HTTP."),
}
HELD: Final[dict[str, Text]] = {
    "paused": _("The endpoint is paused. It is told after it is resumed."),
    "disabled": _("The endpoint is switched off. It is told after it is enabled again."),
    "failing": _("The endpoint keeps failing. It is probed, and told as soon as it is back."),
    "deleted": _("The endpoint was deleted. It is told nothing any more."),
}
OUTCOMES: Final[dict[str, Text]] = {
    "succeeded": _("It says the payment succeeded."),
    "failed": _("It says the payment failed."),
    "contradictory": _("It says two different things."),
    "silent": _("It does not say how the payment ended."),
}
ANSWERS: Final[dict[str, Text]] = {
    "unknown": _("PortOne knows of no such payment"),
    "refused": _("PortOne refused your keys"),
    "unavailable": _("PortOne gave no usable answer"),
}
FIELDS: Final[dict[str, Text]] = {
    "amount": _("Amount"),
    "currency": _("Currency"),
    "order": _("Order"),
    "livemode": _("Mode"),
    "cancelled": _("Cancelled amount"),
}
NOTHING: Final[Text] = _("nothing")
MODES: Final[dict[bool, Text]] = {True: _("real money"), False: _("test money")}
DECISIONS: Final[dict[str, Text]] = {
    "accepted": _("Accepted: the payment counts"),
    "rejected": _("Rejected: the payment does not count"),
}
TELLING: Final = ("deliver", "redeliver")
DUTIES: Final[dict[str, Text]] = {
    "verify": _("PortOne is asked about it"),
    "vouched": _("PortOne is asked about it"),
    "ask": _("PortOne is asked about it again"),
    "probe": _("The endpoint is probed"),
}

_REFUND: Final = _(
    "Do not hand over anything yet. If you do not want this money, cancel it in PortOne’s console; we notice it."
)
# What a merchant is to do about a review, when money has moved.
ADVICE: Final[dict[str, tuple[Text, ...]]] = {
    EventType.REVIEW_AMOUNT: (
        _("Compare the amount with the order in your shop. The customer’s browser may have changed it."),
        _REFUND,
        _("Accept only if you agree with this amount, for example because the rest was paid in another way."),
    ),
    EventType.REVIEW_CURRENCY: (
        _("Compare the currency with the order in your shop. The same number in another currency is another price."),
        _REFUND,
        _("Accept only if you agree with this currency."),
    ),
    EventType.REVIEW_ORDER: (
        _("The payment carries your shop’s own signature for another order. Find out which of the two was paid."),
        _REFUND,
        _("Accept only if this order is what the customer meant to pay."),
    ),
    EventType.REVIEW_UNKNOWN_ORDER: (
        _("Look for this order number in your shop. Your policy asks for every order to be registered first."),
        _("If the order is real, register it with its amount: the payment is then judged again by itself."),
        _REFUND,
    ),
    EventType.REVIEW_LIVEMODE: (
        _("No real money lies behind a test payment. Do not hand over anything for it."),
        _("Check which channel your shop’s page uses: a test channel has no place in the live shop."),
    ),
    EventType.REVIEW_DUPLICATE: (
        _("The customer has paid this order twice. One of the two is to be given back."),
        _("Cancel one of the payments in PortOne’s console; we notice it, and the other one counts."),
        _("Accept only if the second payment is meant, for example for a second delivery."),
    ),
    EventType.REVIEW_ANOMALY: (
        _("PortOne’s answers contradict each other. Look at this payment in PortOne’s console."),
        _("Ask PortOne’s support which of its answers is right, and wait with the goods until then."),
        _("Accept only when PortOne has told you that the money is there."),
    ),
}
UNDEPOSITED: Final[tuple[Text, ...]] = (
    _("Nothing has been deposited yet, so there is nothing to give back."),
    _("Tell the customer not to deposit, or close the virtual account in PortOne’s console."),
    _("Accept only if you would take a deposit of this amount for this order."),
)


def state_of(status: str) -> State:
    return STATES.get(status) or State(status, "pending")


def words(table: dict[str, Text], word: str | None) -> Text:
    """Return what a word means, or the word itself where none of ours says it yet."""
    return table.get(word or "", word or "")
