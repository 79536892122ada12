"""Which payments does a member look for? The filter, and the pages of the list.

Pages go by key, newest first, so a payment that comes in while somebody reads shifts nothing and hides nothing. The
cursor is signed for one merchant and mode: whoever changes it is refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django import forms
from django.core import signing
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from results.conditions import paid_by, under_open_review
from results.core.claim import IMP_UID, UNPRINTABLE
from results.core.figures import KST
from results.core.ids import decode
from results.core.words import MethodType, PaymentStatus
from results.models import Delivery, Event, Payment
from results.views.dashboard.payment_words import METHODS, STATES
from tenants.routing import Route, inside

ROWS: Final = 50
ROWS_A_TIME: Final = 500  # of a file
LONGEST_FILE: Final = 100_000  # lines: a minute's work, and about what spreadsheets open without complaint
HIGHEST: Final = Decimal(10) ** 15
FIRST_YEAR: Final = 2000  # before it there is no payment, and at the beginning of years no moment by every clock


class BadCursor(Exception):
    """A place in the list that is none of ours."""


class PaymentFilter(forms.Form):
    """What a member looks for. Everything is optional; days are those of Seoul."""

    q = forms.CharField(required=False, max_length=60, strip=True, label=_("Order, imp_uid, pay_… or evt_…"))
    status = forms.ChoiceField(required=False, label=_("State"))
    since = forms.DateField(required=False, label=_("First day"), widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))
    until = forms.DateField(required=False, label=_("Last day"), widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))
    method = forms.ChoiceField(required=False, label=_("Method"))
    least = forms.DecimalField(required=False, min_value=0, max_value=HIGHEST, max_digits=18, label=_("Lowest amount"))
    most = forms.DecimalField(required=False, min_value=0, max_value=HIGHEST, max_digits=18, label=_("Highest amount"))
    attention = forms.BooleanField(required=False, label=_("Needs attention"))

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data, auto_id="filter-%s")
        states = [(status.value, STATES[status].word) for status in PaymentStatus]
        self.fields["status"].choices = [("", _("Every state")), *states]  # type: ignore[attr-defined]
        methods = [(method.value, METHODS[method]) for method in MethodType]
        self.fields["method"].choices = [("", _("Every method")), *methods]  # type: ignore[attr-defined]
        self.fields["q"].widget.attrs |= {"type": "search", "autocomplete": "off", "spellcheck": "false"}

    def clean_q(self) -> str:
        text: str = self.cleaned_data["q"]
        if UNPRINTABLE.search(text):
            raise forms.ValidationError(_("Write an order number or an id, without control characters."))
        return text

    def clean(self) -> dict[str, Any]:
        said = self.cleaned_data
        if said.get("since") and said.get("until") and said["since"] > said["until"]:
            self.add_error("until", _("This day is before the first one. Choose a later one."))
        least, most = said.get("least"), said.get("most")
        if least is not None and most is not None and least > most:
            self.add_error("most", _("This amount is below the first one. Write a higher one."))
        return said

    @property
    def is_narrow(self) -> bool:
        """Whether anything was asked for, so that an empty list is no empty shop."""
        return any(self.data.get(name) for name in self.fields)


@dataclass(frozen=True, slots=True)
class Page:
    """Some payments, newest first, and the cursor behind the last of them when there are more."""

    payments: Sequence[Payment]
    told: dict[UUID, list[Delivery]]
    after: str = ""


def find_payments(mode: str, said: dict[str, Any]) -> QuerySet[Payment]:
    """Return the payments that a filter means, newest first."""
    found = Payment.objects.filter(mode=mode).select_related("order").order_by("-first_seen_at", "-id")
    found = found.filter(named(mode, said["q"])) if said.get("q") else found
    if status := said.get("status"):
        found = found.filter(status=status)
    if since := said.get("since"):
        found = found.filter(first_seen_at__gte=_midnight(since))
    if until := said.get("until"):
        found = found.filter(first_seen_at__lt=_midnight(until) + timedelta(days=1))
    if method := said.get("method"):
        found = found.filter(paid_by(method))
    least, most = said.get("least"), said.get("most")
    if least is not None:
        found = found.filter(amount__gte=least)
    if most is not None:
        found = found.filter(amount__lte=most)
    return found.filter(needs_attention(mode)) if said.get("attention") else found


def named(mode: str, text: str) -> Q:
    """Return the condition for what a person typed: an id of any kind, or the beginning of an order's number."""
    if payment := decode(text, prefix="pay"):
        return Q(id=payment)
    if event := decode(text, prefix="evt"):
        return Q(id__in=Event.objects.filter(id=event, mode=mode).values("payment"))
    if IMP_UID.fullmatch(text):
        return Q(imp_uid=text)
    # By its own mode as well, which is what the index begins with.
    return Q(order__mode=mode, order__merchant_uid__startswith=text)


def needs_attention(mode: str) -> Q:
    """Return the condition for what waits for a person: an open review, or money of which the shop has not heard all.

    Both halves of what was not heard have an index of their own; what was heard once and is told again is neither.
    """
    ended = Q(given_up_at__isnull=False)
    unheard = Delivery.objects.filter(Q(delivered_at=None, given_up_at=None) | ended, heard_at=None, event__mode=mode)
    return under_open_review() | Q(
        id__in=unheard.exclude(event__payment=None).values("event__payment"), money_moved=True
    )


def _midnight(day: date) -> datetime:
    """Return when a day of Korea begins; of one long ago, when the first that could hold a payment did."""
    day = max(day, date(FIRST_YEAR, 1, 1))
    return datetime.combine(day, time(), KST).astimezone(UTC)


def read_page(route: Route, found: QuerySet[Payment], cursor: str) -> Page:
    """Return the payments behind a cursor, or the newest; two queries. Raises BadCursor for a cursor not of ours."""
    rows = list(_behind(found, read_cursor(route, cursor))[: ROWS + 1])
    shown = rows[:ROWS]
    return Page(shown, read_told(shown), make_cursor(route, shown[-1]) if len(rows) > ROWS else "")


def read_told(payments: Sequence[Payment]) -> dict[UUID, list[Delivery]]:
    """Return the deliveries of each payment's newest event, by the event's id."""
    told: dict[UUID, list[Delivery]] = {}
    events = [payment.told_event for payment in payments if payment.told_event]
    for delivery in Delivery.objects.filter(event__in=events):
        told.setdefault(delivery.event_id, []).append(delivery)
    return told


def is_too_long(found: QuerySet[Payment]) -> bool:
    """Say whether a file of these would be cut off in the middle of somebody's month."""
    return found.order_by()[LONGEST_FILE : LONGEST_FILE + 1].exists()


def read_all(route: Route, found: QuerySet[Payment]) -> Iterator[Page]:
    """Yield all of them, some at a time. The merchant is entered anew for each: a file outlives its view."""
    place = None
    while True:
        with inside(route.schema):
            rows = list(_behind(found, place)[:ROWS_A_TIME])
            told = read_told(rows)
        if rows:
            yield Page(rows, told)
        if len(rows) < ROWS_A_TIME:
            return
        place = (rows[-1].first_seen_at, rows[-1].id)


def _behind(found: QuerySet[Payment], place: tuple[datetime, UUID] | None) -> QuerySet[Payment]:
    if place is None:
        return found
    moment, id_ = place
    # The first condition is what the index is entered by; the second alone would read it from its beginning.
    return found.filter(first_seen_at__lte=moment).filter(Q(first_seen_at__lt=moment) | Q(id__lt=id_))


def make_cursor(route: Route, payment: Payment) -> str:
    return signing.dumps([payment.first_seen_at.isoformat(), payment.id.hex], salt=_salt(route))


def read_cursor(route: Route, cursor: str) -> tuple[datetime, UUID] | None:
    """Return the place that a cursor names; raise BadCursor when it was made or changed by somebody else."""
    if not cursor:
        return None
    try:
        moment, id_ = signing.loads(cursor, salt=_salt(route))
    except signing.BadSignature as error:
        raise BadCursor("the cursor is not ours") from error
    return datetime.fromisoformat(moment), UUID(id_)


def _salt(route: Route) -> str:
    return f"payments:{route.merchant_id}:{route.mode}"
