"""Give a merchant an endpoint: its checked address, its subscriptions and its first signing secret."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings

from results.core.signing import SigningSecret
from results.core.target import Refused
from results.core.words import DEFAULT_EVENTS
from results.deliver import seal_secret
from results.models import Endpoint, EndpointSecret
from results.outbound import check_target
from tenants.fields import new_id
from tenants.routing import Route


class BadCallbackUrl(ValueError):
    """The callback URL is not allowed; the message says why and how to mend it."""


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


def create_endpoint(
    route: Route, *, url: str, at: datetime, events: Sequence[str] = DEFAULT_EVENTS
) -> tuple[Endpoint, SigningSecret]:
    """Make an endpoint; the secret is shown once and kept sealed. Raises BadCallbackUrl."""
    endpoint = Endpoint.objects.create(
        mode=route.mode, url=normalise_callback_url(url), events=list(events), created_at=at
    )
    secret, id_ = SigningSecret.generate(), new_id()
    EndpointSecret.objects.create(
        id=id_, endpoint=endpoint, sealed=seal_secret(secret, route.open_vault(), row=id_), created_at=at
    )
    return endpoint, secret
