"""The five steps as the page draws them: their titles, which is open, and what has to stand before real money comes."""

from dataclasses import dataclass
from typing import Final

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from results.steps import GoingLive, Progress
from tenants.access import Place, Role
from tenants.fields import Mode

TITLES: Final[dict[str, Promise]] = {
    "keys": _("PortOne's keys"),
    "urls": _("Addresses and the payment page"),
    "callback": _("Where your shop hears us"),
    "payment": _("A first test payment"),
    "live": _("Going live"),
}
TEMPLATES: Final = {"payment": "first_payment"}


@dataclass(frozen=True, slots=True)
class Step:
    """One card; its state is done, now or later."""

    name: str
    number: int
    title: Promise
    state: str

    @property
    def template(self) -> str:
        return f"dashboard/start/_{TEMPLATES.get(self.name, self.name)}.html"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that live mode needs; `good` is None when it is not known."""

    good: bool | None
    title: Promise
    words: Promise
    address: str
    advice: bool = False


def steps_of(progress: Progress, *, current: str) -> list[Step]:
    states = {name: "done" if done else "now" if name == current else "later" for name, done in progress.done.items()}
    return [step_of(name, state) for name, state in states.items()]


def step_of(name: str, state: str) -> Step:
    return Step(name, list(TITLES).index(name) + 1, TITLES[name], state)


def checks_of(live: GoingLive, place: Place) -> list[Check]:
    start = reverse("start", args=[place.route.merchant_id, Mode.LIVE])

    def setting(name: str) -> str:
        return reverse(name, args=[place.route.merchant_id, Mode.LIVE]) if place.may(Role.DEVELOPER) else ""

    return [
        Check(
            live.keys,
            _("PortOne's keys in live mode"),
            _("Enter the V1 keys there too; the same account serves tests and real payments."),
            f"{start}?open=keys#keys",
        ),
        Check(
            live.channel,
            _("A channel for real payments"),
            _("It comes with your contract with the payment company; PortOne's console lists it."),
            f"{start}?open=keys#keys",
        ),
        Check(
            live.webhook,
            _("Live addresses"),
            _("The live webhook URL is in PortOne's console (설정 모드: 실연동), the live call in your payment page."),
            f"{start}?open=urls#urls",
        ),
        Check(
            live.callback,
            _("A live endpoint that took a test"),
            _("With a secret of its own: the one of test mode does not verify live callbacks."),
            f"{start}?open=callback#callback",
        ),
        Check(
            live.return_urls,
            _("A return URL"),
            _("The page of your shop to which customers go back from ours."),
            setting("settings_addresses"),
        ),
        Check(
            live.strict,
            _("Order policy “strict”"),
            _("Only orders that you registered count as confirmed, at their amount."),
            setting("settings_policy"),
            advice=not live.strict,
        ),
    ]
