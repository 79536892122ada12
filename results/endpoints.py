"""Where does a merchant hear us? Make an endpoint, change it, let it rest, give it another secret, try it, end it.

Who changed what is kept in the audit, with hosts and the names of things only: addresses hold secrets in their path,
and headers are often passwords. Whatever changes an endpoint holds its row, so that no news slips past (`backlog`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from results import duties
from results.backlog import drop_duties, end_for_good, give_up_backlog, lock, owe_backlog, owe_probe
from results.core.headers import check_headers
from results.core.health import Health
from results.core.ids import encode, lowest_id
from results.core.signing import SigningSecret
from results.core.subscription import check_events
from results.core.target import Refused
from results.core.words import DEFAULT_EVENTS, EventType
from results.deliver import open_headers, seal_headers, seal_secret
from results.health import FIELDS, host_of, keep
from results.models import Delivery, Endpoint, EndpointSecret, Event
from results.outbound import check_target
from results.tell import freeze_notice
from tenants.fields import new_id
from tenants.mail import Letter, write_to_owners
from tenants.models import AuditEntry, MerchantMode
from tenants.routing import Route

LONGEST_DESCRIPTION: Final = 120
LONGEST_OVERLAP: Final = timedelta(days=7)
MOST_ENDPOINTS: Final = 20  # of a mode: each event is written down once for each that hears it
MOST_SECRETS: Final = 10  # live at once: each adds a signature to every request
PINGS_AT_MOST: Final = 10  # of an endpoint, in as long as PINGS_LAST
PINGS_LAST: Final = timedelta(minutes=1)
TOO_MANY_PINGS: Final = "This endpoint was tested ten times within a minute: wait a minute."
PING: Final = "A test of this endpoint. Whoever can verify it hears what is told here."


class BadCallbackUrl(ValueError):
    """The callback URL is not allowed; the message says why and how to mend it."""


class BadDescription(ValueError):
    """The description cannot be kept; the message says why."""


class BadRotation(ValueError):
    """The secret cannot be changed in this way; the message says why and what can be done."""


class TooManyEndpoints(ValueError):
    """The mode has as many endpoints as it may; the message says how many."""


class TooManyPings(ValueError):
    """The endpoint was tested as often as it may be in a minute; the message says so."""


class NoSuchEndpoint(LookupError):
    """The merchant's mode has no endpoint with this id."""


class NothingToResume(Exception):
    """The endpoint is neither paused nor disabled. What it has not heard can be sent by a replay."""


def own_hosts() -> frozenset[str]:
    """Return where we ourselves answer: no callback leads there."""
    return frozenset(urlsplit(address).netloc.lower() for address in (settings.PUBLIC_URL, settings.RESULT_URL))


def normalise_callback_url(url: str) -> str:
    """Return the address as it is stored; raise BadCallbackUrl."""
    match check_target(url, allowed=settings.CALLBACK_ALLOWED_NETWORKS, own_hosts=own_hosts()):
        case Refused(reason):
            raise BadCallbackUrl(reason)
        case target:
            return target.url


def check_description(text: str) -> str:
    """Return a description without spaces around it; raise BadDescription."""
    if len(text.strip()) > LONGEST_DESCRIPTION or not text.strip().isprintable():
        raise BadDescription(f"Describe the endpoint in one line of at most {LONGEST_DESCRIPTION} characters.")
    return text.strip()


def create_endpoint(
    route: Route,
    *,
    url: str,
    actor: str,
    at: datetime,
    events: Sequence[str] = DEFAULT_EVENTS,
    description: str = "",
    headers: Mapping[str, str] | None = None,
) -> tuple[Endpoint, SigningSecret]:
    """Make an endpoint; the secret is shown once and kept sealed.

    Raises BadCallbackUrl, BadSubscription, BadDescription, BadHeaders or TooManyEndpoints.
    """
    endpoint = Endpoint(mode=route.mode, created_at=at)
    _put(endpoint, _read(route, endpoint.id, url=url, events=events, description=description, headers=headers or {}))
    with transaction.atomic():
        # Two at once would each count without the other.
        MerchantMode.objects.select_for_update().get(merchant=route.merchant_id, mode=route.mode)
        if Endpoint.objects.filter(mode=route.mode).count() >= MOST_ENDPOINTS:
            raise TooManyEndpoints(
                f"There are {MOST_ENDPOINTS} endpoints already, which is the most: change or delete one of them."
            )
        endpoint.save(force_insert=True)
        secret = _add_secret(route, endpoint, at=at)
        _note(route, endpoint, "created", actor=actor, at=at, host=host_of(endpoint))
    return endpoint, secret


def change_endpoint(
    route: Route,
    endpoint_id: UUID,
    *,
    actor: str,
    at: datetime,
    url: str | None = None,
    events: Sequence[str] | None = None,
    description: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Endpoint:
    """Change what is given; headers take the place of all that were there, `{}` of none.

    Of another URL the owners are written to. Fixed headers do not go along to another host, which could read there
    what is shown to nobody here, unless they are given anew with it. It is another server, which answers for none of
    the old one's failures: while the endpoint was only probed, it is probed at once. One that is paused or disabled
    stays so. Raises NoSuchEndpoint and what create_endpoint raises.
    """
    given = _read(route, endpoint_id, url=url, events=events, description=description, headers=headers)
    with transaction.atomic():
        endpoint = _lock(route, endpoint_id)
        before, changed = endpoint.url, [name for name in given if given[name] != getattr(endpoint, name)]
        _put(endpoint, given)
        if "url" in changed:
            _begin_anew(route, endpoint, before, actor=actor, at=at)
            if "headers" not in given and endpoint.headers and urlsplit(before).netloc != host_of(endpoint):
                endpoint.headers = None
                changed.append("headers")
        endpoint.save()
        if rest := [name for name in changed if name != "url"]:
            _note(route, endpoint, "changed", actor=actor, at=at, changed=rest)
    return endpoint


def _read(
    route: Route,
    endpoint_id: UUID,
    *,
    url: str | None,
    events: Sequence[str] | None,
    description: str | None,
    headers: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Return the columns that are given, checked; raise what says which of them is wrong."""
    columns = {
        "url": None if url is None else normalise_callback_url(url),
        "events": None if events is None else check_events(events),
        "description": None if description is None else check_description(description),
    }
    given: dict[str, Any] = {name: value for name, value in columns.items() if value is not None}
    if headers is not None:
        checked = check_headers(headers)
        given["headers"] = seal_headers(checked, route.open_vault(), row=endpoint_id) if checked else None
    return given


def _put(endpoint: Endpoint, columns: Mapping[str, Any]) -> None:
    for name, value in columns.items():
        setattr(endpoint, name, value)


def _begin_anew(route: Route, endpoint: Endpoint, before: str, *, actor: str, at: datetime) -> None:
    """Let another server begin without the old one's failures, and tell the owners of it."""
    keep(endpoint, Health(opened_at=endpoint.opened_at), at=at)
    if endpoint.opened_at and not endpoint.paused_at and not endpoint.disabled_at:
        owe_probe(route, endpoint.id, due_at=at)
    old, new = urlsplit(before).netloc, host_of(endpoint)
    _note(route, endpoint, "url_changed", actor=actor, at=at, old_host=old, new_host=new)
    subject = new if old == new else f"{old} → {new}"
    write_to_owners(Letter.ENDPOINT_CHANGED, merchant=route.merchant_id, mode=route.mode, subject=subject, at=at)


def pause_endpoint(route: Route, endpoint_id: UUID, *, actor: str, at: datetime) -> Endpoint:
    """Let an endpoint rest until it is resumed; what is told meanwhile is kept as its backlog. Raises NoSuchEndpoint.

    What waits for another try joins the backlog. A request that is under way is finished.
    """
    with transaction.atomic():
        endpoint = _lock(route, endpoint_id)
        if endpoint.paused_at is None:
            endpoint.paused_at = at
            endpoint.save(update_fields=["paused_at"])
            drop_duties(endpoint.id)
            _note(route, endpoint, "paused", actor=actor, at=at)
    return endpoint


def resume_endpoint(route: Route, endpoint_id: UUID, *, with_backlog: bool, actor: str, at: datetime) -> int:
    """Let an endpoint that was paused or disabled hear news again, as if it had never failed; return what is owed it.

    With its backlog everything that it has not heard is sent, each order's events by sequence. Without, that is given
    up, and only a replay sends it. Raises NoSuchEndpoint or NothingToResume.
    """
    with transaction.atomic():
        endpoint = _lock(route, endpoint_id)
        if endpoint.paused_at is None and endpoint.disabled_at is None:
            raise NothingToResume("it is neither paused nor disabled; what it has not heard can be sent by a replay")
        endpoint.paused_at, endpoint.disabled_at, endpoint.disabled_because = None, None, ""
        keep(endpoint, Health(), at=at)
        endpoint.save(update_fields=["paused_at", *FIELDS])
        owed = owe_backlog(route, endpoint.id, at=at) if with_backlog else 0
        given_up = 0 if with_backlog else give_up_backlog(endpoint.id, at=at)
        _note(route, endpoint, "resumed", actor=actor, at=at, backlog=owed, given_up=given_up)
    return owed


def rotate_secret(route: Route, endpoint_id: UUID, *, overlap: timedelta, actor: str, at: datetime) -> SigningSecret:
    """Give an endpoint a new signing secret, shown once; those it has sign along for the overlap, 0 to 7 days.

    One that was to retire sooner does so. Without an overlap the old ones, leaked perhaps, sign nothing from now on,
    and whoever verifies with them refuses us until they are replaced there. Raises NoSuchEndpoint or BadRotation.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise BadRotation(f"Let the old secret sign along for 0 to {LONGEST_OVERLAP.days} days.")
    with transaction.atomic():
        endpoint = _lock(route, endpoint_id)
        endpoint.secrets.filter(Q(retires_at=None) | Q(retires_at__gt=at + overlap)).update(retires_at=at + overlap)
        # A secret that signs no more has no use here, and could still leak.
        endpoint.secrets.filter(retires_at__lte=at).delete()
        if endpoint.secrets.count() >= MOST_SECRETS:
            raise BadRotation(
                f"{MOST_SECRETS} secrets sign already: wait until one retires, or let all of them retire at once."
            )
        secret = _add_secret(route, endpoint, at=at)
        _note(route, endpoint, "secret_rotated", actor=actor, at=at, overlap_seconds=int(overlap.total_seconds()))
    return secret


def _add_secret(route: Route, endpoint: Endpoint, *, at: datetime) -> SigningSecret:
    secret, id_ = SigningSecret.generate(), new_id()
    EndpointSecret.objects.create(
        id=id_, endpoint=endpoint, sealed=seal_secret(secret, route.open_vault(), row=id_), created_at=at
    )
    return secret


def ping(route: Route, endpoint_id: UUID, *, at: datetime) -> Event:
    """Send an endpoint an `endpoint.ping`, whatever it subscribes to, also while it is paused or disabled.

    It goes the way of all events, signed with the real secrets, and is tried once. Whoever signs up may name any
    server, so it is no way to call one without end. Raises NoSuchEndpoint or TooManyPings.
    """
    with transaction.atomic():
        endpoint = _lock(route, endpoint_id)
        lately = Delivery.objects.filter(id__gte=lowest_id(at - PINGS_LAST), endpoint=endpoint)
        if lately.filter(event__type=EventType.PING).count() >= PINGS_AT_MOST:
            raise TooManyPings(TOO_MANY_PINGS)
        told = {"id": encode("end", endpoint.id), "host": host_of(endpoint), "message": PING}
        event = freeze_notice(route, EventType.PING, {"endpoint": told}, at=at)
        event.save(force_insert=True)
        delivery = Delivery.objects.create(event=event, endpoint=endpoint, created_at=at)
        owed = [(endpoint.id, delivery.id)]
        duties.owe_deliveries(merchant=route.merchant_id, mode=route.mode, deliveries=owed, due_at=at)
    return event


def delete_endpoint(route: Route, endpoint_id: UUID, *, actor: str, at: datetime) -> None:
    """End an endpoint for good: nothing is sent there any more, and what it has not heard is given up.

    Its secrets and fixed headers are gone; its row stays, unseen, because deliveries and attempts refer to it. A
    request that is under way is finished and written down. The owners are written to. Raises NoSuchEndpoint.
    """
    with transaction.atomic():
        endpoint = _lock(route, endpoint_id)
        endpoint.deleted_at, endpoint.headers = at, None
        endpoint.save(update_fields=["deleted_at", "headers"])
        endpoint.secrets.all().delete()
        given_up = end_for_good(endpoint.id, at=at)
        host = host_of(endpoint)
        _note(route, endpoint, "deleted", actor=actor, at=at, host=host, given_up=given_up)
        write_to_owners(Letter.ENDPOINT_DELETED, merchant=route.merchant_id, mode=route.mode, subject=host, at=at)


def state_of(endpoint: Endpoint) -> str:
    """Return the one word for how an endpoint is doing; what weighs more comes first."""
    if endpoint.disabled_at:
        return "disabled"
    if endpoint.paused_at:
        return "paused"
    if endpoint.opened_at:
        return "probed"
    return "failing" if endpoint.failing_since else "listening"


def header_names(route: Route, endpoint: Endpoint) -> list[str]:
    """Return which headers the merchant adds; what they say is shown to nobody."""
    if endpoint.headers is None:
        return []
    return sorted(open_headers(bytes(endpoint.headers), route.open_vault(), row=endpoint.id))


def _lock(route: Route, endpoint_id: UUID) -> Endpoint:
    endpoint = lock([endpoint_id]).filter(mode=route.mode).first()
    if endpoint is None:
        raise NoSuchEndpoint(encode("end", endpoint_id))
    return endpoint


def _note(route: Route, endpoint: Endpoint, action: str, *, actor: str, at: datetime, **detail: Any) -> None:
    AuditEntry.objects.create(
        merchant_id=route.merchant_id,
        at=at,
        actor=actor,
        action=f"endpoint.{action}",
        subject=encode("end", endpoint.id),
        detail={"mode": route.mode} | detail,
    )
