"""What do a merchant's people get to read? Letters that only people can act on, each sent by a job of its own.

A letter is owed in the transaction of what it tells of. Its job carries ids; whom it goes to, and in which language,
is looked up when it is sent. Plain text, in short sentences: what happened, whose move it is, the next step.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from smtplib import SMTPException
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import QuerySet
from django.template.loader import render_to_string

from tenants.fields import new_id
from tenants.jobs import enqueue
from tenants.models import Membership, Merchant
from tenants.models.merchant import Language

log = structlog.get_logger()

KST: Final = timezone(timedelta(hours=9), "KST")
STEP: Final = "send_letter"
MODES: Final = {Language.KOREAN: {"live": "실거래", "test": "테스트"}}


class Letter(StrEnum):
    """What a letter is about; each has a template in each language, whose first line is the subject."""

    CREDENTIALS_INVALID = "credentials_invalid"
    ACCOUNT_SHARED = "account_shared"
    MERCHANT_CONFIGURATION = "merchant_configuration"
    ENDPOINT_FAILING = "endpoint_failing"
    ENDPOINT_DISABLED = "endpoint_disabled"
    ENDPOINT_CHANGED = "endpoint_changed"
    ENDPOINT_DELETED = "endpoint_deleted"
    MERCHANT_CLOSED = "merchant_closed"


# What whoever runs the shop's server has to know; everything else is the owners' alone.
FOR_ALL: Final = frozenset({Letter.ENDPOINT_FAILING, Letter.ENDPOINT_DISABLED})


class MailServerUnavailable(Exception):
    """The mail server did not take a letter; trying again later may help."""


def write_to_owners(letter: Letter, *, merchant: UUID, mode: str, at: datetime, subject: str = "") -> None:
    """Owe each owner of a merchant a letter about one of its modes, if and when this transaction commits.

    `at` is the moment that the letter names, `subject` the host that it is about: never a whole address, whose path
    may be secret. Each owner has a job, so that one broken mailbox holds up no other.
    """
    facts = {"letter": letter.value, "mode": mode, "at": at.isoformat()} | ({"subject": subject} if subject else {})
    readers = _readers(letter).filter(merchant=merchant).order_by("id").values_list("id", flat=True)
    jobs = [facts | {"id": str(new_id()), "membership": str(id_)} for id_ in readers]
    enqueue(STEP, *jobs)
    log.info("letter_owed", letter=letter, merchant=str(merchant), mode=mode, readers=len(jobs))


def write_to_members(letter: Letter, *, merchant: UUID, mode: str, subject: str, at: datetime) -> None:
    """Owe each member of a merchant, whatever their role, a letter that is one of FOR_ALL."""
    write_to_owners(letter, merchant=merchant, mode=mode, subject=subject, at=at)


def _readers(letter: Letter) -> QuerySet[Membership]:
    """Return who may read a letter: those who own, or every member; of a closed merchant only that it was closed."""
    members = Membership.objects.filter(user__is_active=True)
    if letter is not Letter.MERCHANT_CLOSED:
        members = members.filter(merchant__closed_at=None)
    return members if letter in FOR_ALL else members.filter(role=Membership.Role.OWNER)


def send_letter(*, id: str, letter: str, membership: str, mode: str, at: str, subject: str = "") -> None:
    """Send one letter to one member, who may have left meanwhile. Raises MailServerUnavailable.

    Whatever is sent twice, because a worker died in between, has the same Message-ID.
    """
    reader = _readers(Letter(letter)).select_related("user", "merchant").filter(id=membership).first()
    if reader is None:
        return
    title, body = compose(Letter(letter), reader.merchant, mode=mode, at=datetime.fromisoformat(at), subject=subject)
    send_text(title, body, to=reader.user.email, id=id)
    log.info("letter_sent", letter=letter, merchant=str(reader.merchant_id), mode=mode, id=id)


def send_text(title: str, body: str, *, to: str, id: str) -> None:
    """Send one letter, with the same Message-ID however often. Raises MailServerUnavailable."""
    headers = {"Message-ID": f"<{id}@{settings.MAIL_DOMAIN}>"}
    try:
        EmailMessage(title, body, to=[to], headers=headers).send()
    except (SMTPException, OSError) as error:
        # Only the kind of fault: the server's words may repeat the address.
        raise MailServerUnavailable(type(error).__name__) from None


def compose(letter: Letter, merchant: Merchant, *, mode: str, at: datetime, subject: str = "") -> tuple[str, str]:
    """Return title and text in the merchant's language; in Korean with English below when it chose none."""
    facts = {"merchant": on_one_line(merchant.name), "host": subject, "when": as_kst(at)}
    return write_in(
        letter,
        languages_of(merchant),
        facts,
        **{language: {"mode": MODES.get(language, {}).get(mode, mode)} for language in Language},
    )


def languages_of(merchant: Merchant) -> list[Language]:
    """Return what a merchant's people are written to in: the language it chose, or Korean with English below."""
    return [Language(merchant.language)] if merchant.language else [Language.KOREAN, Language.ENGLISH]


def write_in(
    template: str, languages: Sequence[Language], facts: Mapping[str, str], **own: Mapping[str, str]
) -> tuple[str, str]:
    """Return title and text from a template in each language; the title is the first's.

    `own` has the facts that are worded differently in a language, by its code.
    """
    parts = [_render(template, language, {**facts, **own.get(language, {})}) for language in languages]
    return parts[0][0], "\n\n\n".join([parts[0][1], *("\n\n".join(part) for part in parts[1:])]) + "\n"


def _render(template: str, language: Language, facts: Mapping[str, str]) -> tuple[str, str]:
    text = render_to_string(f"mail/{template}.{language}.txt", dict(facts))
    title, _, body = text.strip().partition("\n")
    return title, body.strip()


def on_one_line(text: str) -> str:
    """Return a name as a subject line may carry it."""
    return " ".join(text.split())


def as_kst(at: datetime) -> str:
    return f"{at.astimezone(KST):%Y-%m-%d %H:%M} KST"
