"""May this merchant's PortOne be asked now, and how much? One row for each mode keeps how asking goes.

Refused or silent, PortOne is left alone for a while and then probed with a single question; the pauses grow, and the
first answer ends them. Whatever was to be asked meanwhile waits. All workers share the row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

from django.db import transaction

from results import duties, rows
from results.core.budget import PROBE_AGAIN, SLOW_FOR, UNVOUCHED_COST, Budget, Plan, calls_a_second
from results.core.schedule import pause_after_refusal, pause_after_silence
from tenants.models import Credential
from tenants.routing import Route
from tenants.statements import Statement, run_hot

Q = TypeVar("Q")

MOST_PAUSES: Final = 100
# Not the ORM: each round runs these, and building one takes longer than running it.
CREDENTIAL: Final = f"""
SELECT {rows.names(Credential)} FROM public.tenants_credential WHERE merchant_id = %(merchant)s AND mode = %(mode)s
"""  # noqa: S608  our own names
SPENT: Final = """
UPDATE public.tenants_credential SET spent_until = %(until)s WHERE id = %(id)s
    AND spent_until IS NOT DISTINCT FROM %(spent)s::timestamptz
    AND slowed_until IS NOT DISTINCT FROM %(slowed)s::timestamptz
"""
PAUSED: Final = """
SELECT id, paused_until FROM public.tenants_credential
WHERE merchant_id = %(merchant)s AND mode = %(mode)s AND paused_until IS NOT NULL
    AND (refused_at IS NULL OR refused_at <= %(asked_at)s)
"""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is to be asked before `until`."""

    until: datetime
    is_refusal: bool


@dataclass(frozen=True, slots=True)
class Probe:
    """One question is to be asked, to see whether PortOne answers again; the rest waits until `until`."""

    until: datetime


def credential_of(route: Route) -> Statement:
    """Return the statement that reads a mode's keys and how asking with them goes, for `rows.read`."""
    return Statement(CREDENTIAL, {"merchant": route.merchant_id, "mode": route.mode}, prepared=True)


def may_ask(credential: Credential, *, at: datetime) -> Pause | Probe | Budget:
    """Say whether PortOne may be asked. A probe is given to one caller only; the others see a pause."""
    if credential.paused_until is None:
        return _budget(credential, at=at)
    if at < credential.paused_until:
        return Pause(credential.paused_until, is_refusal=credential.refused_at is not None)
    until = at + PROBE_AGAIN
    mine = Credential.objects.filter(id=credential.id, paused_until=credential.paused_until)
    if not mine.update(paused_until=until):
        return Pause(until, is_refusal=credential.refused_at is not None)
    return Probe(until)


def allot(credential: Credential, make_plan: Callable[[float], Plan[Q]], *, at: datetime) -> tuple[Plan[Q], datetime]:
    """Let `make_plan` choose among what it may spend, and note the cost; return also when more may be asked.

    Noted only if nobody else has spent since the row was read; else it is read and planned anew: two workers that
    looked first and spent later would spend the same calls twice.
    """
    row = credential
    while True:
        budget = _budget(row, at=at)
        chosen = make_plan(budget.allows(at=at))
        if not chosen.cost or _spend(row, budget.after(chosen.cost, at=at)):
            return chosen, budget.allows_again_at(chosen.cost + UNVOUCHED_COST, at=at)
        row = Credential.objects.get(id=row.id)


def _spend(row: Credential, until: datetime) -> bool:
    before = {"spent": row.spent_until, "slowed": row.slowed_until}
    return run_hot(SPENT, "public", before | {"id": row.id, "until": until}, prepared=True).rowcount == 1


def spend(credential: UUID, calls: int, *, at: datetime) -> None:
    """Note calls that were made whatever was left: what follows waits for them."""
    with transaction.atomic():
        row = Credential.objects.select_for_update().get(id=credential)
        _write(row, spent_until=_budget(row, at=at).after(calls, at=at))


@dataclass(frozen=True, slots=True)
class Refusal:
    """PortOne refused the keys: asking pauses, and the first refusal in a row is to be reported."""

    until: datetime
    is_first: bool


def note_refusal(route: Route, *, asked_at: datetime, at: datetime) -> Refusal:
    """Pause after PortOne refused the keys; questions that were under way together are one refusal."""
    with transaction.atomic():
        row = _lock(route)
        is_first = row.refused_at is None
        if row.refused_at and row.paused_until and asked_at < row.refused_at:
            return Refusal(row.paused_until, is_first=False)
        pauses = 1 if is_first else min(row.pauses + 1, MOST_PAUSES)
        until = at + pause_after_refusal(pauses)
        _write(row, refused_at=row.refused_at or at, pauses=pauses, paused_until=until)
    return Refusal(until, is_first)


def is_paused(route: Route) -> bool:
    """Say whether asking pauses, or is being probed."""
    mine = Credential.objects.filter(merchant=route.merchant_id, mode=route.mode)
    return mine.exclude(paused_until=None).exists()


def note_silence(route: Route, *, at: datetime) -> datetime:
    """Pause after PortOne did not answer at all; return until when."""
    with transaction.atomic():
        row = _lock(route)
        pauses = min(row.pauses + 1, MOST_PAUSES)
        pause = pause_after_refusal(pauses) if row.refused_at else pause_after_silence(pauses)
        _write(row, pauses=pauses, paused_until=at + pause)
    return at + pause


def note_answer(route: Route, *, asked_at: datetime, at: datetime) -> None:
    """Ask freely again, and at once what waited for that: PortOne answered a question that was sent at `asked_at`.

    One sent before PortOne refused the keys says nothing of them. Costs one statement that usually finds no pause.
    """
    values = {"merchant": route.merchant_id, "mode": route.mode, "asked_at": asked_at}
    paused = run_hot(PAUSED, "public", values, prepared=True).fetchone()
    if paused is None:
        return
    id_, until = paused
    Credential.objects.filter(id=id_).update(refused_at=None, paused_until=None, pauses=0)
    duties.hasten(route.lane, waiting_until=until, at=at)


def note_busy(route: Route, *, at: datetime) -> None:
    """Ask less for a while: PortOne said that it is asked too much."""
    mine = Credential.objects.filter(merchant=route.merchant_id, mode=route.mode)
    mine.update(slowed_until=at + SLOW_FOR)


def _budget(row: Credential, *, at: datetime) -> Budget:
    return Budget(row.spent_until, calls_a_second(row.slowed_until, at=at))


def _lock(route: Route) -> Credential:
    return Credential.objects.select_for_update().get(merchant=route.merchant_id, mode=route.mode)


def _write(row: Credential, **values: object) -> None:
    Credential.objects.filter(id=row.id).update(**values)
