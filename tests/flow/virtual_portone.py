"""PortOne in virtual time: payments that change when a story says so, seen by its API a little later, if at all."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from results.ask import Answer, Answered
from results.core.snapshot import Cancellation, Snapshot, VirtualAccount
from results.models import Verification
from results.portone import Found, PortOneRefused
from results.portone.errors import PortOneSilent
from results.questions import Question
from tests.flow.timelines import EXPIRED, State

WINDOW = timedelta(minutes=30)
ERRORS = {Answer.UNAVAILABLE: PortOneSilent("no answer"), Answer.REFUSED: PortOneRefused("401")}
SINGLE, BATCH, FIND_ALL = (Verification.Question(name) for name in ("single", "batch", "find_all"))


@dataclass(slots=True)
class Shown:
    """One payment at PortOne: its states so far, each with the moment from which the API shows it."""

    imp_uid: str
    merchant_uid: str
    opened_at: datetime
    account_ends: datetime
    seen: list[tuple[datetime, State]] = field(default_factory=list)

    def changes(self, state: State, *, visible_from: datetime) -> None:
        self.seen.append((max(visible_from, self.seen[-1][0] if self.seen else visible_from), state))

    def state(self, at: datetime) -> State | None:
        return next((state for since, state in reversed(self.seen) if since <= at), None)

    def look(self, at: datetime) -> Snapshot | None:
        """Return what the API answers to a question that is sent now; None while it knows no such payment."""
        state = self.state(at)
        if state is None:
            return None
        fields: dict[str, Any] = {"amount": Decimal(64900), "currency": "KRW", "sandbox": False} | state.fields
        if number := fields.pop("number", None):
            fields["virtual_account"] = VirtualAccount("088", None, number, None, self.opened_at, self.account_ends)
        if state.cancelled:
            fields["paid_at"] = self.opened_at
        return Snapshot(
            imp_uid=self.imp_uid,
            merchant_uid=self.merchant_uid,
            status=state.says,
            cancel_amount=Decimal(state.cancelled),
            cancellations=self.cancellations(at),
            asked_at=at,
            started_at=self.opened_at,
            **fields,
        )

    def cancellations(self, at: datetime) -> tuple[Cancellation, ...]:
        sums = {state.cancelled: since for since, state in self.seen if since <= at and state.cancelled}
        return tuple(Cancellation(f"c-{amount}", Decimal(1), None, None, at, None) for amount, at in sums.items())


def status_then(state: State, shown: Shown, *, asked_at: datetime, grace: timedelta) -> State:
    """Return the state as the clock makes it: a window closes after half an hour, an account after its grace."""
    ends = shown.account_ends + grace if "number" in state.fields else shown.opened_at + WINDOW
    if state.says != "ready" or asked_at <= ends:
        return state
    return State(EXPIRED, EXPIRED, state.says, fields=state.fields)


@dataclass(slots=True)
class VirtualPortOne:
    """What PortOne's API answers, when, and whether it does."""

    livemode: bool = True
    payments: dict[str, Shown] = field(default_factory=dict)
    fails_with: Answer = Answer.UNAVAILABLE
    fails_until: datetime | None = None

    def answers(self, questions: tuple[Question, ...], *, at: datetime) -> list[Answered]:
        """Answer one round of questions, all sent at this moment."""
        together = [one for one in questions if one.imp_uid and not one.last_look and self.livemode]
        return [self._answer(one, len(together) > 1 and one in together, at=at) for one in questions]

    def _answer(self, question: Question, in_batch: bool, *, at: datetime) -> Answered:
        kind = FIND_ALL if question.imp_uid is None else BATCH if in_batch else SINGLE
        if self.fails_until and at < self.fails_until:
            return Answered(question, kind, self.fails_with, at, at, error=ERRORS.get(self.fails_with))
        found = self._find_all(question, at=at) if kind == FIND_ALL else self._find(question, at=at)
        answer = Answer.FOUND if found else Answer.UNKNOWN
        return Answered(question, kind, answer, at, at, tuple(Found(one, b"{}") for one in found))

    def _find(self, question: Question, *, at: datetime) -> list[Snapshot]:
        """Only a single look-up may ask for test payments too."""
        shown = self.payments.get(question.imp_uid or "")
        snapshot = shown.look(at) if shown else None
        sees_test_payments = question.last_look or not self.livemode
        return [snapshot] if snapshot and (sees_test_payments or not snapshot.sandbox) else []

    def _find_all(self, question: Question, *, at: datetime) -> list[Snapshot]:
        mine = [one for one in self.payments.values() if one.merchant_uid == question.merchant_uid]
        newest_first = sorted(mine, key=lambda one: one.opened_at, reverse=True)
        return [snapshot for one in newest_first if (snapshot := one.look(at)) and not snapshot.sandbox]
