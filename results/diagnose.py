"""Why did a receiver not believe a callback? What was pasted, against the secrets and the event that we keep.

Secrets are opened here to compare with, and go no further: people read the endpoint's host and when a secret was made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q

from results.core.diagnosis import Candidate, Diagnosis, Sent, diagnose, message_id
from results.core.ids import decode
from results.deliver import open_secrets
from results.models import Attempt, EndpointSecret, Event
from results.story import host_of
from tenants.routing import Route

MOST_SECRETS: Final = 100
MOST_ATTEMPTS: Final = 200


@dataclass(frozen=True, slots=True)
class Signer:
    """A live secret as people know it: whose it is, when it was made, and whether it is the endpoint's newest."""

    host: str
    made_at: datetime
    retires_at: datetime | None
    newest: bool


def diagnose_callback(
    route: Route, headers: Mapping[str, Sequence[str]], body: bytes, *, at: datetime, receiver_says: datetime | None
) -> tuple[Diagnosis, Signer | None]:
    """Compare what was pasted with every live secret of the mode, and with the event that its id names.

    The second is whose secret signed it.
    """
    signers = _live_secrets(route, at=at)
    diagnosis = diagnose(
        headers,
        body,
        candidates=[candidate for candidate, _ in signers],
        sent=_sent(route, message_id(headers)),
        at=at,
        receiver_says=receiver_says,
    )
    named = {candidate.name: signer for candidate, signer in signers}
    return diagnosis, named.get(diagnosis.signed_with)


def _live_secrets(route: Route, *, at: datetime) -> list[tuple[Candidate, Signer]]:
    """Return the secrets that sign now, by endpoint and newest first."""
    live = EndpointSecret.objects.select_related("endpoint").filter(endpoint__mode=route.mode)
    live = live.filter(Q(retires_at=None) | Q(retires_at__gt=at)).order_by("endpoint", "-created_at", "-id")
    rows = list(live.defer("sealed")[:MOST_SECRETS])
    opened = open_secrets(route, {row.endpoint_id for row in rows}, at=at) if rows else {}
    found: list[tuple[Candidate, Signer]] = []
    for endpoint in dict.fromkeys(row.endpoint_id for row in rows):
        theirs = [row for row in rows if row.endpoint_id == endpoint]
        for number, (row, secret) in enumerate(zip(theirs, opened[endpoint], strict=False)):
            signer = Signer(host_of(row.endpoint.url), row.created_at, row.retires_at, newest=number == 0)
            found.append((Candidate(str(row.id), secret), signer))
    return found


def _sent(route: Route, message: str | None) -> Sent | None:
    event_id = decode(message, prefix="evt") if message else None
    event = Event.objects.filter(id=event_id, mode=route.mode).first() if event_id else None
    if event is None:
        return None
    tried = Attempt.objects.filter(delivery__event=event).values_list("started_at", flat=True)[:MOST_ATTEMPTS]
    return Sent(bytes(event.body), frozenset(int(moment.timestamp()) for moment in tried))
