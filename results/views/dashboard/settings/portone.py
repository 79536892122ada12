"""The merchant's keys at PortOne: since when they work, and others in their place, tried before they are kept."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from results.models import Setup
from results.set_up import enter_keys
from results.try_keys import KeysNotTaken, Refusal
from results.views.dashboard.settings.forms import PortOneForm
from results.views.dashboard.settings.pages import check_confirmed, confirmed_to_read, done, now, show
from results.views.dashboard.start_words import refusal_words
from tenants.access import Place, Role, member_page
from tenants.models import Credential


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
    setup = Setup.objects.filter(mode=place.route.mode).first()
    form = PortOneForm(request.POST or None, initial={"user_code": setup.user_code if setup else ""})
    if request.method == "POST" and form.is_valid() and check_confirmed(request, form):
        tried = enter_keys(place.route, **form.cleaned_data, actor=place.user.email, at=now())
        if not isinstance(tried, KeysNotTaken):
            words = gettext("PortOne takes these keys. They are in use from now on, and what waits is asked at once.")
            return done(request, place, words, "settings_portone")
        fields = {Refusal.KEYS: "imp_key", Refusal.TIER: "tier"}
        form.add_error(fields.get(tried.refusal), refusal_words(tried.refusal))
    return show(request, "portone_form", place, form=form)
