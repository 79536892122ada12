"""Tell again from the dashboard: say what, see how much that is, begin, watch it, stop it."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST, require_safe

from results.core.replay import Wish
from results.health import host_of
from results.models import Endpoint, Replay
from results.replay import NothingToCancel, Progress, begin_replay, cancel_replay, plan_replay, read_progress
from results.views.dashboard.payments import is_part
from results.views.dashboard.settings.pages import done, fail, now, show
from results.views.dashboard.settings.replay_form import ReplayForm
from tenants.access import Place, Role, member_page

HERE: Final = "endpoints"
NEWEST: Final = 50
REFRESHED: Final = 2  # seconds


@dataclass(frozen=True, slots=True)
class Shown:
    """A replay with what was wished, whom it is for, and how far it is."""

    progress: Progress
    wish: Wish
    host: str

    @property
    def replay(self) -> Replay:
        return self.progress.replay

    @property
    def shape(self) -> str:
        match self.replay.state:
            case Replay.State.CANCELLED:
                return "cancelled"
            case Replay.State.FINISHED if not self.progress.untried:
                return "paid"
        return "waiting"

    @property
    def is_moving(self) -> bool:
        """Whether a look in a moment may show something else."""
        return self.replay.state == Replay.State.RUNNING or self.progress.untried > 0

    @property
    def may_stop(self) -> bool:
        if self.replay.state == Replay.State.CANCELLED:
            return False
        return self.replay.state == Replay.State.RUNNING or self.progress.owed > 0

    @property
    def whole(self) -> int:
        """How many deliveries it is about: while it is worked out, as many as were counted."""
        return max(self.replay.made, self.replay.expected if self.replay.state == Replay.State.RUNNING else 0)

    @property
    def done(self) -> int:
        return self.replay.made - self.progress.owed


def read_shown(replays: list[Replay]) -> list[Shown]:
    """Return how far replays are, by one query for all."""
    return [
        Shown(
            progress,
            Wish.from_json(progress.replay.wish, endpoint=progress.replay.endpoint_id),
            host_of(progress.replay.endpoint) if progress.replay.endpoint else "",
        )
        for progress in read_progress(replays)
    ]


def find(place: Place, replay: UUID) -> Shown:
    """Return one replay of this place, or raise Http404."""
    rows = list(Replay.objects.select_related("endpoint").filter(mode=place.route.mode, id=replay))
    if not rows:
        raise Http404("no such replay")
    return read_shown(rows)[0]


@require_safe
@member_page()
def replays(request: HttpRequest, place: Place) -> HttpResponse:
    """List the newest replays, and how far each is."""
    rows = Replay.objects.select_related("endpoint").filter(mode=place.route.mode).order_by("-created_at", "-id")
    shown = read_shown(list(rows[:NEWEST]))
    return show(request, "replay_list", place, here=HERE, replays=shown, newest=NEWEST, may=place.may(Role.DEVELOPER))


@member_page(Role.DEVELOPER)
def replay_new(request: HttpRequest, place: Place) -> HttpResponse:
    """Say what is to be told again, see to whom and how much that would be, and begin."""
    at = now()
    endpoints = Endpoint.objects.filter(mode=place.route.mode).order_by("id")
    said = request.POST if request.method == "POST" else request.GET
    form = ReplayForm(said if "what" in said else None, endpoints=endpoints, at=at, initial=said.dict())
    facts: dict[str, Any] = {}
    if form.is_bound and form.is_valid():
        plan = plan_replay(place.route, form.wish, at=at)
        facts = {"plan": plan, "shares": [(host_of(one.endpoint), one) for one in plan.shares if one.deliveries]}
        if request.method == "POST" and plan.deliveries:
            replay = begin_replay(place.route, form.wish, actor=place.user.email, at=at)
            return done(request, place, gettext("It has begun. A worker sends them now."), "replay", replay.id)
    return show(request, "replay_form", place, here=HERE, form=form, **facts)


@require_safe
@member_page()
def replay(request: HttpRequest, place: Place, replay: UUID) -> HttpResponse:
    """Show how far a replay is; for htmx the figures alone."""
    template = "_replay" if is_part(request) else "replay"
    shown, may = find(place, replay), place.may(Role.DEVELOPER)
    return show(request, template, place, here=HERE, shown=shown, refreshed=REFRESHED, may=may)


@require_POST
@member_page(Role.DEVELOPER)
def replay_cancel(request: HttpRequest, place: Place, replay: UUID) -> HttpResponse:
    """Stop a replay: what it has not sent stays unsent."""
    find(place, replay)
    try:
        cancel_replay(place.route, replay, actor=place.user.email, at=now())
    except NothingToCancel:
        return fail(request, place, gettext("There is nothing left of it to stop."), "replay", replay)
    left = find(place, replay).progress.owed
    words = gettext("It is stopped. What it had not sent stays as it was before.")
    if left:
        words += " " + ngettext(
            "%(count)d was owed without it and is sent all the same.",
            "%(count)d were owed without it and are sent all the same.",
            left,
        ) % {"count": left}
    return done(request, place, words, "replay", replay)
