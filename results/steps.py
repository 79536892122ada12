"""How far is a merchant on the way to the first payment, and what is to be done next? Read for one page.

Keys, URLs and callback are those of the page's mode; the first payment is always made in test mode, and going live is
a matter of live mode.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.conf import settings

from results.core.claim import IMP_UID
from results.core.ids import encode
from results.core.signing import sign
from results.core.snippet import Window, write_snippet
from results.core.story import ArrivalPart, EventPart, PaymentPart, QuestionPart, Story
from results.core.words import EventType
from results.deliver import CONTENT_TYPE, open_secrets
from results.models import Attempt, Delivery, Endpoint, Event, Notification, Payment, Setup
from results.script import script_snippet
from results.story import host_of, tell_story
from tenants.fields import Mode
from tenants.models import Credential, MerchantMode, RouteKey
from tenants.models.merchant import Policy
from tenants.routing import Route

TEST_AMOUNT: Final = 1000  # won
TEST_NAME: Final = "Paywitness 테스트"
MOST_ENDPOINTS: Final = 5
NEWEST: Final = 50
SHOWN_BODY: Final = 4096
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Addresses:
    """What PortOne and the shop's page are given."""

    redirect: str
    webhook: str
    confirm: str
    script: str  # for a page that stays while PortOne's PC window is open, and hears the result itself


@dataclass(frozen=True, slots=True)
class Heard:
    """When something last came in, by each way; None for never."""

    landing: datetime | None
    webhook: datetime | None


@dataclass(frozen=True, slots=True)
class Watched:
    """The payment that is being tried, and how far it has come. What has not happened yet is None."""

    order: str
    landing: ArrivalPart | None = None
    webhook: ArrivalPart | None = None
    asked: QuestionPart | None = None
    payment: PaymentPart | None = None
    event: EventPart | None = None
    told_at: datetime | None = None

    @property
    def verified(self) -> PaymentPart | None:
        return self.payment if self.payment and self.payment.observed_at else None

    @property
    def began(self) -> bool:
        return bool(self.landing or self.webhook or self.payment)


@dataclass(frozen=True, slots=True)
class GoingLive:
    """What has to stand before real money comes, each by itself; `strict` is advice."""

    keys: bool
    channel: bool | None
    callback: bool
    webhook: bool
    return_urls: bool
    strict: bool

    @property
    def ready(self) -> bool:
        return self.keys and self.channel is not False and self.callback and self.webhook and self.return_urls


@dataclass(frozen=True, slots=True)
class Progress:
    """All that the page shows. `done` says it of each step, by its name, in their order."""

    setup: Setup
    credential: Credential | None
    addresses: Addresses
    heard: Heard
    endpoints: Sequence[Endpoint]
    going_live: GoingLive
    snippet: str
    done: dict[str, bool]

    @property
    def current(self) -> str:
        """Name the step that is to be done now; none when all are."""
        return next((name for name, is_done in self.done.items() if not is_done), "")


def read_progress(route: Route) -> Progress:
    """Gather the page, in a number of queries that does not grow."""
    setups = {setup.mode: setup for setup in Setup.objects.all()}
    credentials = {one.mode: one for one in Credential.objects.filter(merchant=route.merchant_id)}
    setup, credential = setups.get(route.mode) or Setup(mode=route.mode), credentials.get(route.mode)
    endpoints = list(Endpoint.objects.filter(mode=route.mode).order_by("created_at", "id")[:MOST_ENDPOINTS])
    addresses, heard = read_addresses(route), read_heard(route.mode)
    live = _going_live(route, setups.get(Mode.LIVE), credentials.get(Mode.LIVE))
    done = {
        "keys": bool(credential and credential.refused_at is None),
        "urls": bool(setup.urls_pasted_at or heard.webhook),
        "callback": _has_heard(route.mode),
        "payment": _was_told(),
        "live": live.ready,
    }
    return Progress(setup, credential, addresses, heard, endpoints, live, snippet_for(setup, addresses), done)


def read_setup(route: Route) -> Setup:
    """Return what is noted of a mode's setting up; an unsaved row when nothing is."""
    return Setup.objects.filter(mode=route.mode).first() or Setup(mode=route.mode)


def read_addresses(route: Route) -> Addresses:
    current = RouteKey.objects.filter(merchant=route.merchant_id, mode=route.mode, works_until=None)
    keys = dict(current.values_list("kind", "key"))
    browser = f"{settings.PUBLIC_URL}/m/{keys['browser']}"
    return Addresses(
        redirect=f"{browser}/complete",
        webhook=f"{settings.PUBLIC_URL}/webhook/{keys['webhook']}",
        confirm=f"{browser}/confirm",
        script=script_snippet(settings.PUBLIC_URL, keys["browser"]),
    )


def read_heard(mode: str) -> Heard:
    arrivals = Notification.objects.filter(mode=mode).order_by("-id").values_list("received_at", flat=True)
    landing, webhook = (arrivals.filter(kind=kind).first() for kind in Notification.Kind)
    return Heard(landing, webhook)


def snippet_for(setup: Setup, addresses: Addresses, **order: Any) -> str:
    """Return what stands in the shop's page, with what is known of the account filled in."""
    channel = next((one for one in payment_channels(setup) if one["sandbox"] == (setup.mode == Mode.TEST)), {})
    pg = ".".join(filter(None, (channel.get("provider"), channel.get("merchant_id"))))
    window = Window(
        addresses.redirect,
        addresses.webhook,
        setup.user_code,
        channel.get("key", ""),
        pg=pg,
        confirm_url=addresses.confirm,
        **order,
    )
    return write_snippet(window)


def payment_channels(setup: Setup) -> list[dict[str, Any]]:
    """Return the channels that a payment window can open: not those for verifying people's identity."""
    return [one for one in setup.channels or [] if one["kind"] == "payment"]


def _going_live(route: Route, setup: Setup | None, credential: Credential | None) -> GoingLive:
    chosen = MerchantMode.objects.get(merchant=route.merchant_id, mode=Mode.LIVE)
    channels = payment_channels(setup) if setup and setup.channels is not None else None
    return GoingLive(
        keys=bool(credential and credential.refused_at is None),
        channel=None if channels is None else any(not one["sandbox"] for one in channels),
        callback=_has_heard(Mode.LIVE),
        webhook=bool(setup and setup.urls_pasted_at) or read_heard(Mode.LIVE).webhook is not None,
        return_urls=bool(chosen.return_urls),
        strict=chosen.policy == Policy.STRICT,
    )


def _has_heard(mode: str) -> bool:
    """Say whether an endpoint of the mode ever took anything from us."""
    return Delivery.objects.filter(endpoint__mode=mode).exclude(heard_at=None).exists()


def _was_told() -> bool:
    """Say whether one of the newest test payments was verified and heard."""
    told = Payment.objects.filter(mode=Mode.TEST).exclude(told_event=None).exclude(observed_at=None)
    events = list(told.order_by("-id").values_list("told_event", flat=True)[:NEWEST])
    return Delivery.objects.filter(event__in=events).exclude(heard_at=None).exists()


# A first payment


def window_url(progress: Progress) -> str:
    """Return where the simulator's payment window opens for the order that was made to try; nothing with PortOne.

    PortOne's own window opens only from a page of the shop.
    """
    setup = progress.setup
    is_simulator = settings.DEVELOPMENT and urlsplit(settings.PORTONE_V1_URL).hostname in LOOPBACK
    if not (is_simulator and setup.test_order and setup.user_code):
        return ""
    query = {
        "user_code": setup.user_code,
        "merchant_uid": setup.test_order,
        "amount": str(TEST_AMOUNT),
        "name": TEST_NAME,
        "sandbox": "true",
        "m_redirect_url": progress.addresses.redirect,
        "notice_url": progress.addresses.webhook,
    }
    return f"{settings.PORTONE_V1_URL}/pay?{urlencode(query)}"


def watch_payment(route: Route, setup: Setup, *, at: datetime) -> Watched | None:
    """Follow the order that was made to try, or the newest payment if the shop's own page was used after that."""
    payments = Payment.objects.select_related("order").filter(mode=route.mode).order_by("-id")
    newest = payments.first()
    order = setup.test_order
    if newest and (setup.test_order_at is None or newest.first_seen_at >= setup.test_order_at):
        order = newest.order.merchant_uid
    if not order:
        return None
    story = None if IMP_UID.fullmatch(order) else tell_story(route, order, at=at)
    return _watch(order, story) if story else Watched(order)


def _watch(order: str, story: Story) -> Watched:
    events = [event for event in story.events if event.payment]
    event = events[-1] if events else None
    heard = [one.delivered_at for one in event.deliveries if one.delivered_at] if event else []
    return Watched(
        order,
        landing=next((one for one in story.arrivals if one.kind == Notification.Kind.LANDING), None),
        webhook=next((one for one in story.arrivals if one.kind == Notification.Kind.WEBHOOK), None),
        asked=story.questions[-1] if story.questions else None,
        payment=story.payments[-1] if story.payments else None,
        event=event,
        told_at=min(heard, default=None),
    )


# A ping


@dataclass(frozen=True, slots=True)
class Pinged:
    """A test of an endpoint, as it went out and what came back. `headers` are those that we signed with."""

    event_id: UUID
    endpoint_id: UUID
    url: str
    host: str
    made_at: datetime
    body: str
    attempt: Attempt | None = None
    headers: dict[str, str] = field(default_factory=dict)
    answer: str = ""
    heard: bool = False

    @property
    def request(self) -> str:
        """Return the request as it went over the wire, of what may be seen of it."""
        head = [f"POST {self.url}", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\n".join([*head, "", self.body] if self.body else head)


def read_ping(route: Route, event_id: UUID, *, whole: bool) -> Pinged | None:
    """Return what became of a test; `whole` shows the address and the signatures too."""
    pings = Event.objects.filter(id=event_id, mode=route.mode, type=EventType.PING)
    # In one statement with its delivery, which was heard in the same moment: read apart they could contradict.
    attempts = Attempt.objects.select_related("delivery__event", "delivery__endpoint")
    attempt = attempts.filter(delivery__event__in=pings).order_by("-started_at", "-id").first()
    untried = Delivery.objects.select_related("event", "endpoint").filter(event__in=pings)
    delivery = attempt.delivery if attempt else untried.first()
    if delivery is None:
        return None
    event, endpoint = delivery.event, delivery.endpoint
    return Pinged(
        event_id=event.id,
        endpoint_id=endpoint.id,
        url=endpoint.url if whole else host_of(endpoint.url),
        host=host_of(endpoint.url),
        made_at=event.created_at,
        body=bytes(event.body).decode() if whole else "",
        attempt=attempt,
        headers=_signed(route, event, endpoint, attempt) if attempt and whole else {},
        answer=bytes(attempt.body)[:SHOWN_BODY].decode("utf-8", "replace") if attempt else "",
        heard=delivery.heard_at is not None,
    )


def _signed(route: Route, event: Event, endpoint: Endpoint, attempt: Attempt) -> dict[str, str]:
    """Return the signed headers of an attempt: they follow from its moment, and are not kept."""
    secrets = open_secrets(route, {endpoint.id}, at=attempt.started_at)[endpoint.id]
    if not secrets:
        return {}
    moment, message = attempt.started_at, encode("evt", event.id)
    return {"content-type": CONTENT_TYPE} | sign(bytes(event.body), message_id=message, at=moment, secrets=secrets)
