"""The merchant's keys at PortOne: since when they work, and others in their place, tried before they are kept."""

import asyncio
from datetime import datetime
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from results.connect import connect_account
from results.portone import (
    Access,
    PortOne,
    PortOneBusy,
    PortOneError,
    PortOneRefused,
    PortOneSilent,
)
from results.reconcile import ensure_sweeps
from results.views.dashboard.settings.forms import PortOneForm
from results.views.dashboard.settings.pages import check_confirmed, confirmed_to_read, done, now, show
from tenants.access import Place, Role, member_page
from tenants.fields import new_id
from tenants.models import Credential

DEADLINE: Final = 8.0  # seconds: somebody waits


@require_safe
@member_page()
def portone(request: HttpRequest, place: Place) -> HttpResponse:
    """Show whether there are keys, since when, and whether PortOne takes them."""
    credential = Credential.objects.filter(merchant=place.route.merchant_id, mode=place.route.mode).first()
    return show(request, "portone", place, credential=credential, may=place.may(Role.ADMIN))


@member_page(Role.ADMIN)
@confirmed_to_read
def portone_replace(request: HttpRequest, place: Place) -> HttpResponse:
    """Put other keys in place of those there are, if PortOne takes them."""
    form = PortOneForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and check_confirmed(request, form):
        given = form.cleaned_data
        fault = asyncio.run(try_keys(**given))
        if fault is None:
            connect_account(place.route, **given, actor=place.user.email, at=now())
            ensure_sweeps()
            words = gettext("PortOne takes these keys. They are in use from now on, and what waits is asked at once.")
            return done(request, place, words, "settings_portone")
        form.add_error("imp_key" if isinstance(fault, PortOneRefused) else None, in_plain_words(fault))
    return show(request, "portone_form", place, form=form)


async def try_keys(*, imp_key: str, imp_secret: str, tier: str) -> PortOneError | None:
    """Ask PortOne something harmless with these keys: its newest payment. Return what went wrong, None for nothing."""
    access = Access(new_id(), imp_key=imp_key, imp_secret=imp_secret, tier=tier)
    async with PortOne(settings.PORTONE_V1_URL, deadline=DEADLINE, connections=2) as client:
        try:
            await client.list_newest(access, page=1, limit=1, keep_token=_forget)
        except PortOneError as error:
            return error
    return None


async def _forget(token: str, expires_at: datetime) -> None:
    """Keep no token: these keys are nobody's yet."""


def in_plain_words(fault: PortOneError) -> str:
    """Say what PortOne's answer means, and what to do."""
    match fault:
        case PortOneRefused():
            return gettext(
                "PortOne refuses these keys. Compare key and secret with PortOne’s console and copy both once more."
            )
        case PortOneBusy():
            return gettext("PortOne takes no more questions just now. Nothing was changed; try again in a minute.")
        case PortOneSilent():
            return gettext("PortOne does not answer just now. Nothing was changed; try again in a minute.")
        case _:
            return gettext(
                "PortOne knows the keys but does not answer with them. Check the sub-store code and the permission of"
                " the keys in PortOne’s console. Nothing was changed."
            )
