"""May this merchant's PortOne be asked now, and how much? One row for each mode keeps how asking goes.

Refused or silent, PortOne is left alone for a while and then probed with a single question; the pauses grow, and the
first answer ends them. Whatever was to be asked meanwhile waits. All workers share the row.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from results.core.budget import PROBE_AGAIN, SLOW_FOR, Budget, calls_a_second
from results.core.schedule import pause_after_refusal, pause_after_silence
from tenants.models import Credential
from tenants.routing import Route

MOST_PAUSES: Final = 100


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is to be asked before `until`."""

    until: datetime
    is_refusal: bool


@dataclass(frozen=True, slots=True)
class Probe:
    """One question is to be asked, to see whether PortOne answers again; the rest waits until `until`."""

    until: datetime


def read_credential(route: Route) -> Credential | None:
    return Credential.objects.filter(merchant=route.merchant_id, mode=route.mode).first()


def may_ask(credential: Credential, *, at: datetime) -> Pause | Probe | Budget:
    """Say whether PortOne may be asked. A probe is given to one caller only; the others see a pause."""
    if credential.paused_until is None:
        return Budget(credential.spent_until, calls_a_second(credential.slowed_until, at=at))
    if at < credential.paused_until:
        return Pause(credential.paused_until, is_refusal=credential.refused_at is not None)
    until = at + PROBE_AGAIN
    mine = Credential.objects.filter(id=credential.id, paused_until=credential.paused_until)
    if not mine.update(paused_until=until):
        return Pause(until, is_refusal=credential.refused_at is not None)
    return Probe(until)


def spend(credential: UUID, cost: float, *, at: datetime) -> None:
    """Note what is about to be asked; two workers at once both count."""
    if not cost:
        return
    with transaction.atomic():
        row = Credential.objects.select_for_update().get(id=credential)
        budget = Budget(row.spent_until, calls_a_second(row.slowed_until, at=at))
        Credential.objects.filter(id=row.id).update(spent_until=budget.after(cost, at=at))


@dataclass(frozen=True, slots=True)
class Refusal:
    """PortOne refused the keys: asking pauses, and the first refusal in a row is to be reported."""

    until: datetime
    is_first: bool


def note_refusal(route: Route, *, at: datetime) -> Refusal:
    """Pause after PortOne refused the keys."""
    with transaction.atomic():
        row = _lock(route)
        is_first = row.refused_at is None
        pauses = 1 if is_first else min(row.pauses + 1, MOST_PAUSES)
        until = at + pause_after_refusal(pauses)
        _write(row, refused_at=row.refused_at or at, pauses=pauses, paused_until=until)
    return Refusal(until, is_first)


def note_silence(route: Route, *, at: datetime) -> datetime:
    """Pause after PortOne did not answer at all; return until when."""
    with transaction.atomic():
        row = _lock(route)
        pauses = min(row.pauses + 1, MOST_PAUSES)
        pause = pause_after_refusal(pauses) if row.refused_at else pause_after_silence(pauses)
        _write(row, pauses=pauses, paused_until=at + pause)
    return at + pause


def note_answer(route: Route) -> None:
    """Ask freely again: PortOne answered. Costs one statement that usually finds nothing to change."""
    paused = Credential.objects.filter(merchant=route.merchant_id, mode=route.mode).exclude(paused_until=None)
    paused.update(refused_at=None, paused_until=None, pauses=0)


def note_busy(route: Route, *, at: datetime) -> None:
    """Ask less for a while: PortOne said that it is asked too much."""
    rows = Credential.objects.filter(merchant=route.merchant_id, mode=route.mode)
    rows.update(slowed_until=at + SLOW_FOR)


def _lock(route: Route) -> Credential:
    return Credential.objects.select_for_update().get(merchant=route.merchant_id, mode=route.mode)


def _write(row: Credential, **values: object) -> None:
    Credential.objects.filter(id=row.id).update(**values)
