"""Find out whether it is true: read what is due, let go, ask PortOne, then write what follows from the answers.

What is due for one merchant and mode is asked together, each payment once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction

from config import metrics
from results import duties, ownership
from results.ask import Answer, Answered, Round, ask
from results.budget import is_paused, note_answer, note_busy, note_refusal, note_silence
from results.choose import choose, spare_refetches, tell_waiting
from results.claims import Told, may_tell_claim, publish_claim, report_claim
from results.core.claim import Claim
from results.core.classify import MONEY_STATES, read_status
from results.core.freshness import is_ahead
from results.core.schedule import after_refusal, after_silence, after_unknown, next_question
from results.core.snapshot import Snapshot
from results.core.words import EventType, PaymentStatus
from results.duties import Taken
from results.hear import hear_tokens
from results.models import Order, Payment, Verification
from results.portone import (
    Found,
    PortOne,
    PortOneBusy,
    PortOneError,
    PortOneGarbled,
    PortOneRefused,
    PortOneSilent,
    PortOneUnavailable,
    note_account,
    open_access,
)
from results.publish import DOUBT_WAIT, Shown, is_asked_twice_more, publish_all
from results.questions import Question, Reason, count_answers, gather, read_standing, settling
from results.report import report_refused_keys
from results.rows import insert
from tenants.fields import new_id
from tenants.routing import CUT_OFF, Route, Threads
from tenants.statements import Statement, run_together

log = structlog.get_logger()

PUBLISHED_TOGETHER: Final = 50  # answers
TOO_MANY_CLAIMS: Final = timedelta(minutes=1)


async def verify(portone: PortOne, threads: Threads, route: Route, taken: Sequence[Taken]) -> datetime | None:
    """Do the duties of one lane: ask what must be asked, publish what is new, and settle what is settled.

    Return until when nothing more of this lane is to be taken, if there is such a moment.
    """
    step = await threads.run(route.schema, prepare, route, taken, at=datetime.now(UTC))
    if not isinstance(step, Round):
        return step
    answers, unasked = await ask(portone, threads, step)
    await threads.run(route.schema, conclude, route, answers, unasked, at=datetime.now(UTC))
    return None


def prepare(route: Route, taken: Sequence[Taken], *, at: datetime) -> Round | datetime | None:
    """Re-read what the duties refer to, drop what is settled, and gather the rest into questions.

    Return what is to be asked now, or until when asking rests, or None when nothing is to be asked.
    """
    standing = read_standing(route, taken)
    duties.done({duty.id for duty in taken} - {reason.duty.id for reason in standing.reasons})
    hear_tokens(route, [reason.claim for reason in standing.reasons if reason.claim and reason.is_landing], at=at)
    questions = spare_refetches(route, gather(route, standing, at=at), at=at)
    if not questions:
        return None
    credential = standing.credential
    if credential is None:
        log.warning("no_portone_keys", merchant=str(route.merchant_id), mode=route.mode)
        waiting = [reason.duty for question in questions for reason in question.reasons]
        duties.put_off({duty.id: at + after_refusal(duty.tries) for duty in waiting})
        return None
    chosen = choose(route, credential, questions, at=at)
    if isinstance(chosen, datetime):
        return chosen
    access = open_access(credential, route.open_vault())
    if credential.account is None:
        note_account(access)
    return Round(route, access, chosen)


def conclude(route: Route, answers: Sequence[Answered], unasked: Sequence[Question] = (), *, at: datetime) -> None:
    """Publish what the answers show, then keep them and settle or put off the reasons for asking.

    In this order, because a kept answer about an order settles its landings, and a worker may die in between.
    """
    paused_until = note_how_it_went(route, answers, at=at)
    concluded: list[Answered] = []
    settled: list[Reason] = []
    later: dict[int, datetime] = {}
    earlier = count_answers(route.mode, missed_by(answers))
    published = publish_together(route, answers, at=at)
    for answered, known in zip(answers, published, strict=True):
        try:
            payments = publish_found(route, answered, at=at) if known is None else known
            moments = [
                # This answer is not kept yet, so it is one more.
                (reason, ask_again_at(route, reason, answered, payments, earlier.get(reason.duty.id, 0) + 1, at=at))
                for reason in answered.reasons
            ]
            ended = [reason for reason, moment in moments if moment is None]
            report_refused_claims(route, answered, payments, ended, at=at)
        except CUT_OFF:
            raise
        except Exception as error:
            # A fault of ours about one payment must not keep its neighbours waiting; its duties come due again.
            log.error("conclusion_failed", imp_uid=answered.question.imp_uid, exc_info=error)
            later |= {reason.duty.id: at + after_refusal(reason.duty.tries) for reason in answered.reasons}
            continue
        concluded.append(without_neighbours(route, answered, payments))
        settled += [reason for reason, moment in moments if moment is None]
        # While asking pauses, what got no answer waits for the pause's end and no longer, however often it was tried.
        in_vain = paused_until if answered.error else None
        later |= {
            reason.duty.id: in_vain or max(moment, paused_until or at)
            for reason, moment in moments
            if moment is not None
        }
    given_back = {reason.duty.id: at for question in unasked for reason in question.reasons}
    touched = duties.holding([*(reason.duty.id for reason in settled), *later, *given_back])
    what_follows = [*touched, *settling(settled, at=at), *duties.putting_off(later), *duties.giving_back(given_back)]
    keep_answers(route, concluded, what_follows)
    for answered in answers:
        log_answer(route, answered)


def missed_by(answers: Sequence[Answered]) -> Iterator[Reason]:
    """Yield the reasons that an answer leaves open: PortOne knows no such payment, or does not show the news yet."""
    for answered in answers:
        for reason in answered.reasons:
            if answered.answer == Answer.UNKNOWN or is_ahead_of(reason, answered):
                yield reason


def report_refused_claims(
    route: Route, answered: Answered, payments: Sequence[Payment], ended: Sequence[Reason], *, at: datetime
) -> None:
    """Keep which claims came to nothing: PortOne knows no such payment, or it is another order's or merchant's."""
    for reason in ended:
        if reason.notification is None or reason.claim is None or reason.claim.imp_uid is None:
            continue
        if answered.answer == Answer.UNKNOWN:
            report_claim(route, reason.notification, EventType.CLAIM_NOT_FOUND, "payment_not_found", at=at)
        elif why := refused_because(route, reason.claim, answered, payments):
            report_claim(route, reason.notification, EventType.CLAIM_REJECTED, why, at=at)


def refused_because(route: Route, claim: Claim, answered: Answered, payments: Sequence[Payment]) -> str | None:
    """Say why a claim is refused although its payment exists; None when it is not."""
    found = next((one.snapshot for one in answered.found if one.snapshot.imp_uid == claim.imp_uid), None)
    if found is None:
        return None
    if claim.merchant_uid is not None and claim.merchant_uid != found.merchant_uid:
        return "belongs_to_another_order"
    if any(payment.imp_uid == found.imp_uid for payment in payments):
        return None
    return "belongs_to_another_merchant" if ownership.neighbours_among(route, [found.imp_uid]) else None


def note_how_it_went(route: Route, answers: Sequence[Answered], *, at: datetime) -> datetime | None:
    """Keep whether PortOne answers this merchant; return until when asking pauses if it does not."""
    if not answers:
        return None
    errors = [answered.error for answered in answers]
    asked_at = min(answered.asked_at for answered in answers)
    if any(isinstance(error, PortOneBusy) for error in errors):
        note_busy(route, at=at)
    tell_waiting(route, [one.question for one in answers if isinstance(one.error, PortOneUnavailable)], at=at)
    if all(isinstance(error, PortOneSilent) for error in errors):
        if is_one_strangers_claim(answers) and not is_paused(route):
            return None
        return note_error(route, errors[0], asked_at=asked_at, at=at)
    refusals = [error for error in errors if isinstance(error, PortOneRefused)]
    if refusals and not any(answered.answer in (Answer.FOUND, Answer.UNKNOWN) for answered in answers):
        return note_error(route, refusals[0], asked_at=asked_at, at=at)
    note_answer(route, asked_at=asked_at, at=at)
    return None


def is_one_strangers_claim(answers: Sequence[Answered]) -> bool:
    """Say whether all that failed is one question that nothing vouches for, and not for want of a connection or token.

    A stranger can name what makes PortOne or a proxy before it stumble, and could keep a shop paused with it. Silence
    about anything else, or about two at once, is PortOne's own; and a pause that is there already goes on.
    """
    [first, *others] = answers
    return not others and not first.question.is_vouched and isinstance(first.error, PortOneGarbled)


def note_error(route: Route, error: PortOneError | None, *, asked_at: datetime, at: datetime) -> datetime | None:
    """Keep that PortOne refused the keys, was silent or too busy; return until when asking pauses, if it does."""
    match error:
        case PortOneRefused():
            with transaction.atomic():
                refusal = note_refusal(route, asked_at=asked_at, at=at)
                if refusal.is_first:
                    report_refused_keys(route, at=at)
            return refusal.until
        case PortOneSilent():
            return note_silence(route, at=at)
        case PortOneBusy():
            note_busy(route, at=at)
    return None


def publish_together(route: Route, answers: Sequence[Answered], *, at: datetime) -> list[list[Payment] | None]:
    """Publish what was found, many payments in one transaction; None for each answer of those that failed together."""
    published: list[list[Payment] | None] = []
    for batch in _batches(answers):
        shown = [shown_by(route, answered, at=at) for answered in batch]
        try:
            payments = iter(publish_all(route, [one for some in shown for one in some], at=at))
        except CUT_OFF:
            raise
        except Exception as error:
            log.warning("published_one_by_one", answers=len(batch), error=type(error).__name__)
            published += [None] * len(batch)
        else:
            published += [[one for _ in some if (one := next(payments))] for some in shown]
    return published


def _batches(answers: Sequence[Answered]) -> Iterator[Sequence[Answered]]:
    """Split answers so that no transaction locks too much for too long."""
    for start in range(0, len(answers), PUBLISHED_TOGETHER):
        yield answers[start : start + PUBLISHED_TOGETHER]


def publish_found(route: Route, answered: Answered, *, at: datetime) -> list[Payment]:
    """Publish every payment that was found, each in a transaction of its own."""
    found = [publish_all(route, [one], at=at) for one in shown_by(route, answered, at=at)]
    return [payment for [payment] in found if payment]


def shown_by(route: Route, answered: Answered, *, at: datetime) -> list[Shown]:
    """Return what an answer shows, oldest first: PortOne lists an order's payments the other way round."""
    question = answered.question
    orders = {reason.claim.merchant_uid for reason in question.reasons if reason.claim}
    return [
        Shown(found.snapshot, question.cause, named_by_claim=found.snapshot.merchant_uid in orders)
        for found in reversed(answered.found)
        if not question.last_look or may_show(found.snapshot, at=at)
    ]


def without_neighbours(route: Route, answered: Answered, payments: Sequence[Payment]) -> Answered:
    """Leave out what PortOne said of another merchant's payment: of that we keep no word."""
    if len(payments) == len(answered.found):
        return answered
    theirs = ownership.neighbours_among(route, [found.snapshot.imp_uid for found in answered.found])
    ours = tuple(found for found in answered.found if found.snapshot.imp_uid not in theirs)
    return replace(answered, found=ours, detail="another merchant's payment" if theirs else answered.detail)


def may_show(snapshot: Snapshot, *, at: datetime) -> bool:
    """Say whether a last look may show it in live mode: of test payments only one that seems to hold money."""
    status = read_status(snapshot, grace=settings.DEPOSIT_GRACE, at=at)
    return not snapshot.sandbox or status in MONEY_STATES


def ask_again_at(
    route: Route, reason: Reason, answered: Answered, payments: Sequence[Payment], times: int, *, at: datetime
) -> datetime | None:
    """Return when the reason is to be asked about again; None when this answer settles it.

    `times` is how often PortOne has answered by now without showing what is looked for.
    """
    match answered.answer:
        case Answer.UNAVAILABLE:
            return at + after_silence(reason.duty.tries)
        case Answer.REFUSED:
            return at + after_refusal(reason.duty.tries)
    if reason.payment:
        return _ask_payment_again_at(reason, payments, at=at)
    if reason.wants_telling and shows_nothing(answered, reason, payments):
        waits_until = tell_claim(route, reason, asked_order=answered.kind == Verification.Question.FIND_ALL, at=at)
        if waits_until is not None:
            return waits_until
    ahead = not answered.question.last_look and is_ahead_of(reason, answered)
    if answered.answer == Answer.UNKNOWN or ahead:
        wait = after_unknown(times)
        return at + wait if wait is not None else None
    return None


def is_ahead_of(reason: Reason, answered: Answered) -> bool:
    """Say whether a webhook told of what the API does not show yet: it is believed only when it does."""
    return reason.claim is not None and any(is_ahead(reason.claim, found.snapshot) for found in answered.found)


def shows_nothing(answered: Answered, reason: Reason, payments: Sequence[Payment]) -> bool:
    """Say whether an answer leaves a landing's own word standing: no payment of its order holds anything.

    A found payment of another order says nothing about the claimed one, nor does one that is no sale.
    """
    if answered.answer == Answer.UNKNOWN:
        return True
    named = reason.claim.merchant_uid if reason.claim else None
    is_same = all(found.snapshot.merchant_uid == named for found in answered.found)
    return is_same and bool(payments) and all(payment.status == PaymentStatus.PENDING for payment in payments)


def _ask_payment_again_at(reason: Reason, payments: Sequence[Payment], *, at: datetime) -> datetime | None:
    payment = payments[0] if payments else reason.payment
    if payment is None or payment.snapshot is None:
        return None
    if is_asked_twice_more(payment):
        return at + DOUBT_WAIT
    newest = Snapshot.from_json(payment.snapshot)
    account = newest.virtual_account
    return next_question(
        read_status(newest, grace=settings.DEPOSIT_GRACE, at=at),
        final=bool(payment.judgement.get("final")),
        tries=reason.duty.tries,
        deadline=account.expires_at if account else None,
        grace=settings.DEPOSIT_GRACE,
        at=at,
    )


def tell_claim(route: Route, reason: Reason, *, asked_order: bool, at: datetime) -> datetime | None:
    """Tell what a landing said of itself once it has waited; return when to try again, None when that is over.

    It is told only upon an answer about its *order*: the payment that it names may be made up.
    """
    assert reason.notification is not None
    assert reason.claim is not None
    order = Order.objects.filter(mode=route.mode, merchant_uid=reason.claim.askable_order or "").first()
    if order is None or not may_tell_claim(order, at=at):
        return None
    if not reason.has_waited(at=at):
        return reason.notification.received_at + settings.CLAIM_DELAY
    if not asked_order:
        return at
    told = publish_claim(route, reason.claim, at=at)
    return at + TOO_MANY_CLAIMS if told is Told.LATER else None


def keep_answers(route: Route, answers: Sequence[Answered], what_follows: Sequence[Statement] = ()) -> None:
    """Keep every question and its answer, with what follows from them, all or none.

    The raw answer is sealed, since it holds personal data.
    """
    rows = [_row(route, answered, found) for answered in answers for found in answered.found or (None,)]
    kept = [insert(Verification, rows)] if rows else []
    if statements := [*kept, *what_follows]:
        run_together(route.schema, statements)
    for row in rows:
        metrics.VERIFICATIONS.labels(row.question, row.answer).inc()


def _row(route: Route, answered: Answered, found: Found | None) -> Verification:
    id_, question = new_id(), answered.question
    row = Verification(
        id=id_,
        mode=route.mode,
        question=answered.kind,
        imp_uid=found.snapshot.imp_uid if found else question.imp_uid,
        merchant_uid=found.snapshot.merchant_uid if found else question.merchant_uid,
        asked_at=found.snapshot.asked_at if found else answered.asked_at,
        answered_at=answered.answered_at,
        answer=answered.answer,
        detail=answered.detail,
    )
    if found:
        row.snapshot = found.snapshot.as_json()
        row.raw = route.open_vault().seal(found.raw, table="results_verification", field="raw", row=id_)
        row.raw_expires_at = answered.answered_at + route.keeps_arrivals
    return row


def _waited_ms(question: Question, at: datetime) -> int | None:
    """Return how long ago the oldest arrival came that the question is about; None when none asked for it."""
    arrived = [reason.notification.received_at for reason in question.reasons if reason.notification]
    return round((at - min(arrived)).total_seconds() * 1000) if arrived else None


def log_answer(route: Route, answered: Answered) -> None:
    """Write one wide line for each verification: no personal data, no keys."""
    question = answered.question
    log.info(
        "verification",
        merchant=str(route.merchant_id),
        mode=route.mode,
        question=answered.kind,
        imp_uid=question.imp_uid,
        order=question.merchant_uid,
        answer=answered.answer,
        found=[found.snapshot.status for found in answered.found],
        reasons=len(question.reasons),
        tries=max((reason.duty.tries for reason in question.reasons), default=0),
        waited_ms=_waited_ms(question, answered.answered_at),
        cause=question.cause,
        ms=round((answered.answered_at - answered.asked_at).total_seconds() * 1000),
        detail=answered.detail,
    )
