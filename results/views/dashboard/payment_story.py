"""What happened to a payment, moment by moment, in words? The story of results/story.py as entries of one timeline."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from results.core.classify import Checks
from results.core.figures import KST
from results.core.ids import decode, encode
from results.core.money import Money, written
from results.core.story import ArrivalPart, AttemptPart, DeliveryPart, EventPart, QuestionPart, Said, Story
from results.views.dashboard.payment_rows import write_amount
from results.views.dashboard.payment_words import (
    ANSWERS,
    CAUSES,
    CHECKS,
    DUTIES,
    ERRORS,
    EVENTS,
    HELD,
    MARKS,
    OUTCOMES,
    TELLING,
    Text,
    words,
)

UNFOLDED: Final = 5  # tries of a delivery that are seen at once


@dataclass(frozen=True, slots=True)
class Clock:
    """A moment of a story: to the tenth of a second in Seoul, and whole for whoever wants it so."""

    moment: datetime
    short: str
    whole: str
    day: date


@dataclass(frozen=True, slots=True)
class Mark:
    """One of the six checks: a mark, its name, and what it found, as a sentence."""

    sign: str
    name: Text
    result: Text
    sentence: Text
    code: str


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt: when, what came of it, and where its request and answer are. `day` is set where another begins."""

    id: UUID
    clock: Clock
    day: date | None
    number: int
    is_replay: bool
    is_well: bool
    status: int | None
    error: Text
    code: str
    ms: int


@dataclass(frozen=True, slots=True)
class Telling:
    """One endpoint that is to hear an event, its tries, and what it waits for. Many tries are folded but the last."""

    endpoint: str
    name: str
    state: Text
    shape: str
    waits: Text
    next_at: datetime | None
    earlier: tuple[Try, ...]
    tries: tuple[Try, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline. `day` is set where another day begins."""

    kind: str
    clock: Clock
    title: Text
    lines: tuple[Text, ...] = ()
    code: str = ""
    id: UUID | None = None
    is_open: bool = False
    is_sealed: bool = False
    sequence: int | None = None
    marks: tuple[Mark, ...] = ()
    tellings: tuple[Telling, ...] = ()
    day: date | None = None
    ms: int | None = None


@dataclass(frozen=True, slots=True)
class Ahead:
    """Something that is still to be done by itself. Without `due_at` it is its turn now."""

    sentence: Text
    due_at: datetime | None
    tries: int


def draw_story(story: Story) -> list[Entry]:
    """Return what happened, oldest first."""
    entries = [*map(_arrival, story.arrivals), *map(_question, story.questions)]
    entries += [_event(event, story.events, at=story.at) for event in story.events]
    entries.sort(key=lambda entry: entry.clock.moment)
    return _with_days(entries)


def draw_ahead(story: Story) -> list[Ahead]:
    """Return what is still owed, soonest first; what an endpoint is to hear says so itself."""
    owed = [duty for duty in story.duties if duty.kind not in TELLING]
    return [
        Ahead(words(DUTIES, duty.kind), duty.due_at if duty.due_at > story.at else None, duty.tries) for duty in owed
    ]


def draw_checks(checks: Checks) -> tuple[Mark, ...]:
    """Return the six checks as marks, in their order."""
    return tuple(_mark(name, result) for name, result in asdict(checks).items())


def clock_of(moment: datetime) -> Clock:
    local = moment.astimezone(KST)
    short = f"{local:%H:%M:%S}.{local.microsecond // 100_000}"
    return Clock(moment, short, f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03} KST", local.date())


def _with_days(entries: list[Entry]) -> list[Entry]:
    dated, day = [], None
    for entry in entries:
        dated.append(replace(entry, day=entry.clock.day if entry.clock.day != day else None))
        day = entry.clock.day
    return dated


def _mark(name: str, result: str) -> Mark:
    said, (sign, word) = CHECKS[name], MARKS[result]
    sentence = {"pass": said.passed, "fail": said.failed}.get(result, said.skipped)
    return Mark(sign, said.name, word, sentence, result)


def _arrival(part: ArrivalPart) -> Entry:
    is_landing = part.kind == "landing"
    lines: list[Text] = [OUTCOMES[part.outcome]] if is_landing else []
    code = " · ".join(filter(None, (part.status, part.event, part.error_code)))
    if part.settled_at is None:
        lines.append(_("PortOne has not answered about it yet."))
    return Entry(
        kind="arrival",
        clock=clock_of(part.received_at),
        title=_("The customer came back") if is_landing else _("PortOne’s webhook came"),
        lines=(*lines, *part.problems),
        code=code,
        id=part.id,
        is_open=part.settled_at is None,
        is_sealed=part.sealed,
    )


def _question(part: QuestionPart) -> Entry:
    return Entry(
        kind="question",
        clock=clock_of(part.asked_at),
        title=_("PortOne was asked, and answered") if part.said else words(ANSWERS, part.answer),
        lines=tuple(_said(part.said)) if part.said else (part.detail,) if part.detail else (),
        code=part.said.status if part.said else part.answer,
        id=part.id,
        is_open=part.said is None,
        is_sealed=part.sealed,
        ms=part.ms,
    )


def _said(said: Said) -> list[Text]:
    lines: list[Text] = [write_amount(said.amount, said.currency)]
    if said.cancelled:
        lines.append(_("of this cancelled: %(amount)s") % {"amount": write_amount(said.cancelled, said.currency)})
    if said.sandbox:
        lines.append(_("a test payment"))
    return lines


def _event(part: EventPart, all_of_them: Sequence[EventPart], *, at: datetime) -> Entry:
    lines: list[Text] = [words(CAUSES, part.cause)] if part.cause else []
    if part.amounts:
        amounts = part.amounts
        lines.append(written(Money(amounts.total, amounts.currency, amounts.exponent)))
        if amounts.cancelled:
            cancelled, left = (
                written(Money(minor, amounts.currency, amounts.exponent))
                for minor in (amounts.cancelled, amounts.balance)
            )
            lines.append(_("of this cancelled: %(amount)s, left: %(left)s") % {"amount": cancelled, "left": left})
    if part.late:
        lines.append(_("It came late, and takes the place of what was told before."))
    elif part.supersedes:
        lines.append(_("It takes the place of what was told before."))
    return Entry(
        kind="event",
        clock=clock_of(part.created_at),
        title=words(EVENTS, part.type),
        lines=tuple(lines),
        code=part.type,
        id=decode(part.id, prefix="evt"),
        sequence=part.sequence,
        marks=draw_checks(part.checks) if part.checks else (),
        tellings=tuple(
            _telling(one, _before(part, one, all_of_them), since=part.created_at, at=at) for one in part.deliveries
        ),
    )


def _before(event: EventPart, delivery: DeliveryPart, events: Sequence[EventPart]) -> int | None:
    """Return the number of an earlier event of the order that the same endpoint has not heard yet."""
    return next(
        (
            earlier.sequence
            for earlier in events
            if earlier.sequence is not None and event.sequence is not None and earlier.sequence < event.sequence
            for one in earlier.deliveries
            if one.endpoint_id == delivery.endpoint_id and _is_waiting(one)
        ),
        None,
    )


def _is_waiting(part: DeliveryPart) -> bool:
    return part.delivered_at is None and part.given_up_at is None


def _waits(part: DeliveryPart, before: int | None, *, at: datetime) -> Text:
    """Say why a delivery waits; nothing where the time of its next try says it."""
    if part.held:
        return HELD[part.held]
    if part.next_at is None:
        return _("No further try is planned. Send it again when your shop is ready.")
    if before is not None and not part.attempts:
        return _("It waits a moment for event #%(number)d, which comes before it.") % {"number": before}
    return _("It is its turn now.") if part.next_at <= at else ""


def _telling(part: DeliveryPart, before: int | None, *, since: datetime, at: datetime) -> Telling:
    if part.delivered_at:
        state, shape = _("Told"), "paid"
    elif part.given_up_at:
        state, shape = _("Given up"), "failed"
    else:
        state, shape = _("Not told yet"), "waiting"
    waits = _is_waiting(part)
    tries = _tries(part.attempts, day=clock_of(since).day)
    seen = UNFOLDED if len(tries) > UNFOLDED + 1 else len(tries)  # a single one is not worth a fold
    return Telling(
        endpoint=part.endpoint,
        name=encode("end", part.endpoint_id) if part.endpoint_id else "",
        state=state,
        shape=shape,
        waits=_waits(part, before, at=at) if waits else "",
        next_at=part.next_at if waits and not part.held and part.next_at and part.next_at > at else None,
        earlier=tries[: len(tries) - seen],
        tries=tries[len(tries) - seen :],
    )


def _tries(attempts: Sequence[AttemptPart], *, day: date) -> tuple[Try, ...]:
    tries = []
    for part in attempts:
        clock = clock_of(part.started_at)
        tries.append(_try(part, clock, clock.day if clock.day != day else None))
        day = clock.day
    return tuple(tries)


def _try(part: AttemptPart, clock: Clock, day: date | None) -> Try:
    return Try(
        id=part.id,
        clock=clock,
        day=day,
        number=part.number,
        is_replay=part.trigger == "replay",
        is_well=part.status is not None and 200 <= part.status < 300 and not part.error,
        status=part.status,
        error=words(ERRORS, part.error) if part.error else "",
        code=part.error,
        ms=part.ms,
    )
