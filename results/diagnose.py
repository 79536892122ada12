"""Why did a receiver not believe a callback? What was pasted, against the secrets and the event that we keep.

Secrets are opened here to compare with, and go no further: people read the endpoint's host and when a secret was made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from results.core.diagnosis import Candidate, Diagnosis, Fault, Sent, diagnose, message_id
from results.core.held_secret import Held, judge_held
from results.core.ids import decode
from results.deliver import open_secrets
from results.models import Attempt, EndpointSecret, Event
from results.story import host_of
from tenants.fields import Mode
from tenants.routing import Route

MOST_SECRETS: Final = 100
MOST_ATTEMPTS: Final = 200
EVER: Final = datetime.fromtimestamp(0, UTC)  # whatever retired, retired after this


@dataclass(frozen=True, slots=True)
class Signer:
    """A secret as people know it: whose it is, when it was made, and whether it is the endpoint's newest."""

    host: str
    made_at: datetime
    retires_at: datetime | None
    newest: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that is said of a pasted callback, and by whose secrets: the one that signed, and the one that was held."""

    diagnosis: Diagnosis
    signer: Signer | None
    held: Held | None = None
    holder: Signer | None = None


def judge_callback(
    route: Route,
    headers: Mapping[str, Sequence[str]],
    body: bytes,
    *,
    at: datetime,
    receiver_says: datetime | None = None,
    held: str = "",
) -> Judgement:
    """Compare what was pasted with the merchant's secrets, and with the event that its id names.

    `held` is the secret that the receiver verifies with, if it was given: compared, and kept nowhere.
    """
    known = _secrets(route, at=at)
    candidates = [candidate for candidate, _ in known]
    signers = {candidate.name: signer for candidate, signer in known}
    sent = _sent(route, message_id(headers))
    diagnosis = diagnose(headers, body, candidates=candidates, sent=sent, at=at, receiver_says=receiver_says)
    verdict, holder = judge_held(held, candidates) if held else (None, "")
    return Judgement(diagnosis, signers.get(diagnosis.signed_with), verdict, signers.get(holder))


def _secrets(route: Route, *, at: datetime) -> list[tuple[Candidate, Signer]]:
    """Return the secrets of this mode that sign now, and those of the other mode or of yesterday, to tell them apart.

    By endpoint, newest first; this mode's come first, should there be too many.
    """
    first = "endpoint__mode" if route.mode == min(Mode.values) else "-endpoint__mode"
    rows = list(
        EndpointSecret.objects.select_related("endpoint")
        .order_by(first, "endpoint", "-created_at", "-id")
        .defer("sealed")[:MOST_SECRETS]
    )
    opened = open_secrets(route, {row.endpoint_id for row in rows}, at=EVER) if rows else {}
    found: list[tuple[Candidate, Signer]] = []
    for endpoint in dict.fromkeys(row.endpoint_id for row in rows):
        theirs = [row for row in rows if row.endpoint_id == endpoint]
        for number, (row, secret) in enumerate(zip(theirs, opened[endpoint], strict=False)):
            signer = Signer(host_of(row.endpoint.url), row.created_at, row.retires_at, newest=number == 0)
            found.append((Candidate(str(row.id), secret, _why_not(row, route.mode, at=at)), signer))
    return found


def _why_not(secret: EndpointSecret, mode: str, *, at: datetime) -> Fault | None:
    if secret.endpoint.mode != mode:
        return Fault.OF_OTHER_MODE
    return Fault.RETIRED if secret.retires_at and secret.retires_at <= at else None


def _sent(route: Route, message: str | None) -> Sent | None:
    event_id = decode(message, prefix="evt") if message else None
    event = Event.objects.filter(id=event_id).first() if event_id else None
    if event is None:
        return None
    tried = Attempt.objects.filter(delivery__event=event).values_list("started_at", flat=True)[:MOST_ATTEMPTS]
    seconds = frozenset(int(moment.timestamp()) for moment in tried)
    return Sent(bytes(event.body), seconds, of_other_mode=event.mode != route.mode)
