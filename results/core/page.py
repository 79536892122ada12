"""What may the customer see? One state in words, and the amount and account only to whoever really paid.

The page's state comes from what PortOne answered, never from a parameter. Neither payment id nor order id is
secret, so amount, account and signed return appear only when the landing named both, both equal one verified
payment, and that payment began less than two hours ago (an issued account: until its deadline).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from results.core.claim import Claim, Outcome
from results.core.failures import classify_failure, event_type_for
from results.core.money import Money
from results.core.snapshot import VirtualAccount
from results.core.words import EventType, PaymentStatus

DISCLOSED_FOR = timedelta(hours=2)
PAGE_LIFE = timedelta(hours=24)
PATIENCE = timedelta(minutes=2)  # after this the page stops asking by itself, and says so


class PageState(StrEnum):
    """What the page says, in one word.

    Under review are three: `review` when money has moved, `review_unpaid` when none has (an account that was
    issued for a wrong amount must not be called paid), `already_paid` for another payment of a paid order.
    Cancelled are two: of an account that was closed before a deposit nothing goes back, as nothing came.
    `not_recorded` is our own fault: the arrival could not be written down.
    """

    PAID = "paid"
    AWAITING_DEPOSIT = "awaiting_deposit"
    DECLINED = "declined"
    CLOSED = "closed"
    NOT_OPENED = "not_opened"
    FAILED = "failed"
    CONFIRMING = "confirming"
    REVIEW = "review"
    REVIEW_UNPAID = "review_unpaid"
    ALREADY_PAID = "already_paid"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    CANCELLED_UNPAID = "cancelled_unpaid"
    UNKNOWN = "unknown"
    ENDED = "ended"
    NOT_RECORDED = "not_recorded"

    @property
    def is_settled(self) -> bool:
        """True when the page need not ask again by itself soon."""
        return self is not PageState.CONFIRMING


class ScriptStatus(StrEnum):
    """What a shop's script is told in one word; `pending` too where only a person can say more."""

    SUCCESS = "success"
    VBANK_ISSUED = "vbankIssued"
    FAILED = "failed"
    PENDING = "pending"


# Failed is only what the page itself calls unpaid: whoever hears it pays again. Under review, or unknown, is neither.
SCRIPT_STATUSES: dict[PageState, ScriptStatus] = {
    PageState.PAID: ScriptStatus.SUCCESS,
    PageState.AWAITING_DEPOSIT: ScriptStatus.VBANK_ISSUED,
    PageState.DECLINED: ScriptStatus.FAILED,
    PageState.CLOSED: ScriptStatus.FAILED,
    PageState.NOT_OPENED: ScriptStatus.FAILED,
    PageState.FAILED: ScriptStatus.FAILED,
    PageState.EXPIRED: ScriptStatus.FAILED,
    PageState.CANCELLED: ScriptStatus.FAILED,
    PageState.CANCELLED_UNPAID: ScriptStatus.FAILED,
}


def status_for_script(state: PageState) -> ScriptStatus:
    """Return what a shop's script is told of a page in this state."""
    return SCRIPT_STATUSES.get(state, ScriptStatus.PENDING)


FAILED_STATES: dict[str, PageState] = {
    EventType.NOT_STARTED: PageState.NOT_OPENED,
    EventType.ABANDONED: PageState.CLOSED,
    EventType.DECLINED: PageState.DECLINED,
}


@dataclass(frozen=True, slots=True)
class KnownPayment:
    """What is known of the payment that a landing is about; `verified` when PortOne said so."""

    imp_uid: str | None
    merchant_uid: str
    status: PaymentStatus
    told_type: str
    verified: bool
    money: Money | None
    virtual_account: VirtualAccount | None
    fail_reason: str | None
    started_at: datetime | None
    money_moved: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """What the customer's page shows. Amount, account and reason are None unless they may be disclosed."""

    state: PageState
    money: Money | None = None
    virtual_account: VirtualAccount | None = None
    fail_reason: str | None = None
    discloses: bool = False


def compose_page(claim: Claim, payment: KnownPayment | None, *, answered: bool, settled: bool, at: datetime) -> Page:
    """Return the page of one landing.

    `answered`: PortOne answered a question that was sent after the landing. `settled`: nothing more will be
    asked on behalf of this landing.
    """
    if not claim.names_something:
        return Page(PageState.UNKNOWN)
    if payment is None or payment.status == PaymentStatus.PENDING:
        return Page(_state_without_outcome(claim, payment, answered=answered, settled=settled))
    if claim.merchant_uid is not None and claim.merchant_uid != payment.merchant_uid:
        return Page(PageState.UNKNOWN)  # somebody else's payment was named for this order
    if not (answered or settled) and _may_be_outdated(claim, payment):
        return Page(PageState.CONFIRMING)
    state = _state_of(payment.status, payment.told_type, money_moved=payment.money_moved)
    if not may_disclose(claim, payment, at=at):
        return Page(state)
    return Page(
        state,
        money=payment.money,
        virtual_account=payment.virtual_account if state == PageState.AWAITING_DEPOSIT else None,
        fail_reason=payment.fail_reason if payment.status == PaymentStatus.FAILED else None,
        discloses=True,
    )


def _may_be_outdated(claim: Claim, payment: KnownPayment) -> bool:
    """Say whether a later try, or a late approval, may have made good what is known of an earlier moment.

    Whoever reads "not approved" pays again, so it is not said before PortOne was asked on behalf of this landing.
    """
    if payment.status in (PaymentStatus.FAILED, PaymentStatus.EXPIRED):
        return True
    return claim.imp_uid is None and payment.status not in (PaymentStatus.PAID, PaymentStatus.PARTIALLY_CANCELLED)


def page_ends_at(received_at: datetime, payment: KnownPayment | None) -> datetime:
    """Return when a landing's page dies: after a day, or at the deadline of the deposit it waits for."""
    ends = received_at + PAGE_LIFE
    if payment and payment.status == PaymentStatus.AWAITING_DEPOSIT and payment.virtual_account:
        return max(ends, payment.virtual_account.expires_at or ends)
    return ends


def may_disclose(claim: Claim, payment: KnownPayment, *, at: datetime) -> bool:
    """Say whether this landing may see the amount of this payment."""
    names_it = claim.imp_uid == payment.imp_uid and claim.merchant_uid == payment.merchant_uid
    if not payment.verified or payment.imp_uid is None or not names_it or payment.started_at is None:
        return False
    ends = payment.started_at + DISCLOSED_FOR
    account = payment.virtual_account
    if payment.status == PaymentStatus.AWAITING_DEPOSIT and account and account.expires_at:
        ends = account.expires_at
    return at < ends


def _state_without_outcome(claim: Claim, payment: KnownPayment | None, *, answered: bool, settled: bool) -> PageState:
    """PortOne knows of no outcome: a customer who was sent back with an error hears what that error meant."""
    if answered and claim.outcome == Outcome.FAILED:
        return _claimed_state(claim)
    return PageState.UNKNOWN if settled and payment is None else PageState.CONFIRMING


def _claimed_state(claim: Claim) -> PageState:
    failure = classify_failure(pg=None, code=claim.error_code, message=claim.error_message, source="redirect")
    return FAILED_STATES.get(event_type_for(failure), PageState.FAILED)


def _state_of(status: PaymentStatus, told_type: str, *, money_moved: bool) -> PageState:
    match status:
        case PaymentStatus.PAID | PaymentStatus.PARTIALLY_CANCELLED:
            return PageState.PAID
        case PaymentStatus.AWAITING_DEPOSIT:
            return PageState.AWAITING_DEPOSIT
        case PaymentStatus.CANCELLED:
            return PageState.CANCELLED if money_moved else PageState.CANCELLED_UNPAID
        case PaymentStatus.EXPIRED:
            return PageState.EXPIRED
        case PaymentStatus.REVIEW:
            return _review_state(told_type, money_moved=money_moved)
        case PaymentStatus.PENDING:
            return PageState.CONFIRMING
        case PaymentStatus.FAILED:
            return FAILED_STATES.get(told_type, PageState.FAILED)


def _review_state(told_type: str, *, money_moved: bool) -> PageState:
    if told_type == EventType.REVIEW_DUPLICATE:
        return PageState.ALREADY_PAID
    return PageState.REVIEW if money_moved else PageState.REVIEW_UNPAID
