"""Print the whole story of one payment on one screen, for whoever has to explain it to a merchant."""

import json
import unicodedata
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from results.core.money import Money, MoneyError, to_minor, written
from results.core.story import (
    ArrivalPart,
    AttemptPart,
    DeliveryPart,
    DutyPart,
    EventPart,
    OrderPart,
    PaymentPart,
    QuestionPart,
    Said,
    Story,
)
from results.management.merchant_options import add_search_options, read_search
from results.models import Verification
from results.story import tell_story
from tenants.models import Duty
from tenants.routing import Route, inside

WIDTH: Final = 100
KST: Final = timezone(timedelta(hours=9), "KST")
MARKS: Final = {"pass": "✓", "fail": "✗", "skipped": "–"}
CAUSES: Final = {
    "landing": "the customer came back",
    "webhook": "PortOne's webhook came",
    "virtual_account_deposit": "the deposit came in",
    "reconciliation": "we asked again by ourselves",
    "late_approval": "it was approved after all",
    "order_registered": "the order was registered",
    "member": "a member decided so",
}
HELD: Final = {"failing": "failing and only probed until it is back", "deleted": "deleted, and about to be given up"}
REVIEWS: Final = {
    "payment.review.amount_mismatch": "the amount is not what was expected, or not exact in its currency",
    "payment.review.currency_mismatch": "the currency is not what was expected",
    "payment.review.order_mismatch": "the payment belongs to another order",
    "payment.review.order_unknown": "nobody registered the order, and the policy is strict",
    "payment.review.livemode_mismatch": "test money in live mode, or real money in test mode",
    "payment.review.duplicate_payment": "the order had been paid already",
    "payment.review.provider_anomaly": "PortOne's answers contradict each other",
}


class Command(BaseCommand):
    help = "Print the story of one payment (imp_…, pay_…, evt_…), or of every payment of an order. Changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", help="imp_…, pay_…, evt_… or the shop's own order number")
        add_search_options(parser)
        parser.add_argument("--json", action="store_true", help="one line of JSON on standard output, times in UTC")

    def handle(self, *, id: str, merchant: str | None, mode: str | None, **options: Any) -> None:
        stories = [story for route in read_search(merchant, mode) if (story := ask_story(route, id))]
        if not stories:
            raise CommandError(f"ID: nobody knows {clean(id)}; see whether it, --merchant and --mode are right")
        if len(stories) > 1:
            places = ", ".join(f"--merchant {story.merchant} --mode {story.mode}" for story in stories[:5])
            raise CommandError(f"ID: {clean(id)} is known in several places; say which one: {places}")
        story = stories[0]
        self.stdout.write(json.dumps(story.as_json(), ensure_ascii=False) if options["json"] else draw(story))


def ask_story(route: Route, id: str) -> Story | None:
    with inside(route.schema):
        return tell_story(route, id, at=datetime.now(UTC))


def draw(story: Story) -> str:
    """Return the story as lines of at most WIDTH columns."""
    now = f"{story.at.astimezone(KST).year}-{time(story.at)}"
    lines = row("", f"{story.merchant_name}, {story.mode} mode · {now} · times are KST, UTC+9")
    if story.order:
        lines += order_lines(story.order, shown=len(story.payments))
    for payment in story.payments:
        lines += ["", *payment_lines(payment)]
    lines += section(story, "arrivals", "What arrived", arrival_lines)
    lines += section(story, "questions", "What PortOne was asked, and answered", question_lines)
    lines += section(story, "events", "What was told", lambda event: event_lines(event, at=story.at))
    lines += section(story, "duties", "What is owed", lambda duty: duty_lines(duty, at=story.at))
    return "\n".join(lines)


def section(story: Story, name: str, title: str, draw_one: Any) -> Iterator[str]:
    entries = getattr(story, name)
    yield ""
    yield f"{title}: nothing" if not entries else title
    if name in story.left_out:
        yield f"  … and earlier ones; these are the newest {len(entries)}"
    for entry in entries:
        yield from draw_one(entry)


def order_lines(order: OrderPart, *, shown: int) -> list[str]:
    worth = "no amount expected"
    if order.expected:
        worth = f"{written(order.expected)} expected [{order.source}]"
    said = [f"now {order.status}", worth, count(order.payments, "payment"), count(order.events, "event")]
    said += [f"flags {', '.join(order.flags)}"] if order.flags else []
    said += [f"expires {time(order.expires_at)}"] if order.expires_at else []
    said += [f"this is one of {order.payments} payments; the order's number tells of all"] * (shown < order.payments)
    return row(f"Order {order.id}: ", "; ".join(said))


def payment_lines(payment: PaymentPart) -> list[str]:
    settled = "final" if payment.final else "may still change"
    money = "money has moved" if payment.money_moved else "no money has moved"
    lines = row(f"Payment {payment.imp_uid or 'known from a claim only'} ", f"[{payment.id}]")
    lines += row("  now       ", f"{payment.status} [{payment.type}], version {payment.version}; {money}; {settled}")
    if payment.said:
        lines += row("  PortOne   ", f"{said_words(payment.said)}; asked {time(payment.observed_at)}")
    marks = "  ".join(f"{MARKS[mark]} {name}" for name, mark in asdict(payment.checks).items())
    lines += row("  checks    ", f"{marks}  → {payment.verified or 'not judged yet'}")
    for one in payment.mismatches:
        lines += row("  mismatch  ", f"{one.field}: expected {shown(one.expected)}, found {shown(one.actual)}")
    if reason := REVIEWS.get(payment.type):
        lines += row("  because   ", reason)
    if resolution := payment.resolution:
        lines += row("  resolved  ", f"{resolution.decision} {time(resolution.at)}: {clean(resolution.reason)}")
    return lines


def arrival_lines(arrival: ArrivalPart) -> list[str]:
    says = [arrival.status or arrival.outcome]
    says += [f"code {arrival.error_code}"] if arrival.error_code else []
    says += [f"event {arrival.event}"] if arrival.event else []
    says += [f"cancellation {arrival.cancellation_id}"] if arrival.cancellation_id else []
    about = " of ".join(filter(None, (arrival.imp_uid, arrival.order))) or "nothing readable"
    end = "not settled yet"
    if arrival.settled_at:
        end = f"settled after {span(arrival.settled_at - arrival.received_at)}"
    text = "; ".join([f"{about}: says {', '.join(says)}", end, *arrival.problems])
    return row(f"  {time(arrival.received_at)}  {arrival.kind:<7}  ", text)


def question_lines(question: QuestionPart) -> list[str]:
    about = question.imp_uid or question.order or "nothing"
    answer = Verification.Answer(question.answer).label
    words = said_words(question.said) if question.said else f"{answer}. {question.detail}".removesuffix(". ")
    return row(f"  {time(question.asked_at)}  {question.question:<8}  ", f"{about}: {words} ({question.ms} ms)")


def said_words(said: Said) -> str:
    words = [f"says {said.status}", price(said.amount, said.currency)]
    words += [f"{price(said.cancelled, said.currency)} of it cancelled"] if said.cancelled else []
    words += ["a test payment"] if said.sandbox else []
    return ", ".join([*words, f"order {said.order}"])


def event_lines(event: EventPart, *, at: datetime) -> list[str]:
    lines = row(f"  {time(event.created_at)}  #{event.sequence or '–':<3} ", f"{event.type} [{event.id}]")
    indent = " " * 23
    told = [" ".join(filter(None, (event.payment, event.status, event.verified)))] if event.payment else []
    if event.amounts:
        balance = Money(event.amounts.balance, event.amounts.currency, event.amounts.exponent)
        told.append(f"balance {written(balance)}")
    told += [f"failed checks: {', '.join(event.failed_checks)}"] if event.failed_checks else []
    told += [f"told because {CAUSES.get(event.cause, 'of something new')} [{event.cause}]"] if event.cause else []
    told += [f"before: {event.previous.status}, version {event.previous.version}"] if event.previous else []
    told += ["late"] if event.late else []
    told += [f"corrects {event.supersedes}"] if event.supersedes else []
    lines += row(indent, "; ".join(told)) if told else []
    for delivery in event.deliveries:
        lines += row(f"{indent}→ ", f"{delivery.endpoint}: {verdict(delivery, at=at)}")
        lines += [line for attempt in delivery.attempts for line in attempt_lines(attempt)]
    return lines if event.deliveries else [*lines, f"{indent}→ no endpoint subscribes to it"]


def verdict(delivery: DeliveryPart, *, at: datetime) -> str:
    """Say what became of a delivery so far, and when the next try is due."""
    if delivery.delivered_at:
        return f"delivered {time(delivery.delivered_at)}"
    if delivery.given_up_at:
        return f"given up {time(delivery.given_up_at)}"
    if delivery.held:
        return f"not delivered; waits, because the endpoint is {HELD.get(delivery.held, delivery.held)}"
    if delivery.next_at:
        return f"not delivered yet; next try {due(delivery.next_at, at=at)}"
    return "not delivered, and no try is owed"


def attempt_lines(attempt: AttemptPart) -> list[str]:
    answer = attempt.error or f"HTTP {attempt.status}"
    trigger = "" if attempt.trigger == "schedule" else f", {attempt.trigger}"
    start = f"{' ' * 25}try {attempt.number:<2} {time(attempt.started_at)}  "
    return row(start, f"{answer}, {attempt.ms} ms{trigger}")


def duty_lines(duty: DutyPart, *, at: datetime) -> list[str]:
    what = f"{Duty.Kind(duty.kind).label} [{duty.kind}]: {duty.about}; tried {count(duty.tries, 'time')}"
    return row(f"  {time(duty.due_at)}  ", f"{what}; {due(duty.due_at, at=at)}")


def due(moment: datetime, *, at: datetime) -> str:
    if moment <= at:
        return f"is due since {time(moment)}"
    return f"due {time(moment)}, in {span(moment - at)}"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def time(moment: datetime | None) -> str:
    return moment.astimezone(KST).strftime("%m-%d %H:%M:%S") if moment else "never"


def span(length: timedelta) -> str:
    seconds = length.total_seconds()
    if seconds < 1:
        return f"{max(round(seconds * 1000), 0)} ms"
    for size, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {name}"
    return f"{round(seconds)} s"


def price(amount: Decimal, currency: str) -> str:
    try:
        return written(to_minor(amount, currency))
    except MoneyError:
        return f"{amount} {currency}"


def shown(value: Any) -> str:
    return "nothing" if value is None else str(value)


def clean(text: str) -> str:
    """Return what a terminal may show: arrivals may hold control characters of a stranger's choice."""
    return "".join(character if character.isprintable() else "�" for character in text)


def columns(text: str) -> int:
    """Return how wide a terminal draws it: two columns for Hangul and other wide characters."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )


def row(start: str, text: str) -> list[str]:
    """Return start and text, the text going on below itself where a line is full."""
    start, indent = clean(start), min(columns(clean(start)), WIDTH // 2)
    lines, line = [], start
    for word in clean(text).split(" "):
        if line.strip() and columns(line) + columns(word) > WIDTH and columns(line) > indent:
            lines.append(line.rstrip())
            line = " " * indent
        for character in word + " ":
            if columns(line) + columns(character) > WIDTH and character != " ":
                lines.append(line)
                line = " " * indent
            line += character
    return [*lines, line.rstrip()]
