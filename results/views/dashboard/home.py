"""Home: is everything as it should be?"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, cast

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.formats import date_format
from django.views.decorators.http import require_safe

from results.core import chart
from results.core.chart import Columns
from results.core.figures import HOUR, HOURS, KST, Span, by_day, by_hour, hour_began, main_currency, money_of
from results.core.money import Money
from results.figures import Figures, Told, read_figures
from tenants.access import Place, member_page
from tenants.pages import draw

REFRESHED: Final = 15  # seconds


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour or day of a chart: its name, its strokes, and what it came to."""

    label: str
    up: str
    down: str
    count: int
    paid: Money
    refunded: Money


@dataclass(frozen=True, slots=True)
class MoneyChart:
    """What was paid and refunded, span by span, and all of it together."""

    shape: Columns
    bars: tuple[Bar, ...]
    paid: Money
    refunded: Money
    greatest: Money


@dataclass(frozen=True, slots=True)
class TimeChart:
    """How long telling took, hour by hour."""

    p50: str
    p99: str
    points: tuple[tuple[str, Told | None], ...]
    greatest: float


@member_page()
@require_safe
def home(request: HttpRequest, place: Place) -> HttpResponse:
    """Show today at a glance."""
    return draw(request, "dashboard/home/home.html", place, here="home", **facts(place))


@member_page()
@require_safe
def home_today(request: HttpRequest, place: Place) -> HttpResponse:
    """Show the same again for a page that refreshes itself: nothing while it has not changed."""
    response = draw(request, "dashboard/home/_today.html", place, **facts(place))
    etag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    response.headers["ETag"] = etag
    return cast("HttpResponse", get_conditional_response(request, etag=etag, response=response))


def facts(place: Place) -> dict[str, Any]:
    """Return what the templates draw."""
    figures = read_figures(place.route, at=datetime.now(UTC))
    return {"figures": figures, "refreshed": REFRESHED} | charts_of(figures)


def charts_of(figures: Figures) -> dict[str, Any]:
    hours, refunds, at = figures.paid_hours, figures.refunded_hours, figures.at
    currency = main_currency(hours or refunds)
    day = draw_money(by_hour(hours, currency, at=at), by_hour(refunds, currency, at=at), currency, name_hour)
    week = draw_money(by_day(hours, currency, at=at), by_day(refunds, currency, at=at), currency, name_day)
    return {"day": day, "week": week, "times": draw_times(figures)}


def draw_money(
    paid: Sequence[Span], refunded: Sequence[Span], currency: str, name: Callable[[datetime], str]
) -> MoneyChart:
    """Return the bars of what came in and of what went back."""
    shape = chart.columns([span.total for span in paid], [span.total for span in refunded])
    bars = tuple(
        Bar(
            label=name(one.began_at),
            up=column.up,
            down=column.down,
            count=one.count,
            paid=money_of(one.total, currency),
            refunded=money_of(back.total, currency),
        )
        for column, one, back in zip(shape.columns, paid, refunded, strict=True)
    )
    return MoneyChart(
        shape=shape,
        bars=bars,
        paid=money_of(sum((span.total for span in paid), Decimal(0)), currency),
        refunded=money_of(sum((span.total for span in refunded), Decimal(0)), currency),
        greatest=money_of(max(span.total for span in paid), currency),
    )


def draw_times(figures: Figures) -> TimeChart:
    """Return two lines over 24 hours: half of what was paid was told within the first, all but 1 % within the other."""
    first = hour_began(figures.at) - (HOURS - 1) * HOUR
    moments = [first + place * HOUR for place in range(HOURS)]
    told = [figures.told_hours.get(moment) for moment in moments]
    greatest = max((one.p99 for one in told if one), default=0.0)
    return TimeChart(
        p50=chart.line([one.p50 if one else None for one in told], greatest=greatest),
        p99=chart.line([one.p99 if one else None for one in told], greatest=greatest),
        points=tuple(zip(map(name_hour, moments), told, strict=True)),
        greatest=greatest,
    )


def name_hour(moment: datetime) -> str:
    return f"{moment.astimezone(KST):%H:%M}"


def name_day(moment: datetime) -> str:
    return date_format(moment.astimezone(KST).date(), "MONTH_DAY_FORMAT")
