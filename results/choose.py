"""Which questions are sent now, and which wait? What the budget allows, what matters most first."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from results import duties
from results.ask import calls_alone
from results.budget import Pause, Probe, allot, may_ask
from results.claims import CLAIMS_A_MINUTE, Told, publish_waiting, read_waiting
from results.core.budget import FLOOD, Budget, Plan, plan
from results.core.claim import Claim
from results.core.schedule import after_unknown
from results.core.words import Cause
from results.questions import Question, read_unknown, settle
from tenants.models import Credential
from tenants.routing import Route

LONGEST_REST: Final = timedelta(seconds=5)  # so that what arrives meanwhile is looked at now and then
PROBE_STEP: Final = timedelta(seconds=2)
EARLY_SWEEP: Final = timedelta(seconds=3)
WAITS_LONG: Final = timedelta(minutes=1)


def choose(
    route: Route, credential: Credential, questions: Sequence[Question], *, at: datetime
) -> tuple[Question, ...] | datetime:
    """Return the questions that the budget allows, the rest put off; or until when asking rests."""
    match may_ask(credential, at=at):
        case Pause(until, is_refusal):
            if not is_refusal:
                tell_waiting(route, questions, at=at)
            put_off(questions, until)
            return min(until, at + LONGEST_REST)
        case Probe():
            put_off(questions[1:], at + PROBE_STEP)
            return tuple(questions[:1])
        case Budget():
            chosen, next_at = allot(credential, partial(plan_questions, route, questions), at=at)
            put_off(chosen.left, next_at)
            return chosen.asked or next_at


def plan_questions(route: Route, questions: Sequence[Question], allowed: float) -> Plan[Question]:
    return plan(
        questions,
        allowed=allowed,
        calls_alone=lambda question: calls_alone(question, livemode=route.livemode),
        is_vouched=lambda question: question.is_vouched,
    )


def put_off(questions: Sequence[Question], until: datetime) -> None:
    duties.give_back({reason.duty.id: until for question in questions for reason in question.reasons})


def spare_refetches(route: Route, questions: list[Question], *, at: datetime) -> list[Question]:
    """In a flood of made-up ids, let one early sweep stand for asking again about each that PortOne does not know.

    A payment that comes into being late is in PortOne's list, which shows a thousand for the price of one call. A
    registered order that they name speaks for none of them: whoever floods may have one of their own.
    """
    tired = [one for one in questions if one.asked_before and one.imp_uid and not one.last_look]
    if not (tired and route.livemode and duties.is_crowded(route.lane, more_than=FLOOD)):
        return questions
    unknown = read_unknown(route.mode, [one.imp_uid or "" for one in tired])
    spared = [one for one in tired if one.imp_uid in unknown and not any(reason.payment for reason in one.reasons)]
    if not spared:
        return questions
    waits = [(reason, after_unknown(reason.duty.tries)) for one in spared for reason in one.reasons]
    settle(route, [reason for reason, wait in waits if wait is None], at=at)
    duties.put_off({reason.duty.id: at + wait for reason, wait in waits if wait is not None})
    duties.owe_sweep(merchant=route.merchant_id, mode=route.mode, lane=route.lane, due_at=at + EARLY_SWEEP)
    return [one for one in questions if one not in spared]


def tell_waiting(route: Route, questions: Sequence[Question], *, at: datetime) -> None:
    """Tell whoever asked to hear it that PortOne has not answered about a payment for a minute."""
    waiting: dict[str, tuple[Claim, Cause]] = {}
    for question in questions:
        for reason in question.reasons:
            note, claim = reason.notification, reason.claim
            if note and claim and claim.merchant_uid and reason.is_vouched and at >= note.received_at + WAITS_LONG:
                waiting.setdefault(claim.merchant_uid, (claim, question.cause))
    # An outage asks this of thousands every few seconds: most of them were told, and only few can be in a minute.
    for order in read_waiting(route, waiting, at=at)[:CLAIMS_A_MINUTE]:
        claim, cause = waiting[order]
        if publish_waiting(route, claim, cause=cause, at=at) is Told.LATER:
            return
