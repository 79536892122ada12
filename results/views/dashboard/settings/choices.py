"""What a merchant chose: where customers go back to, what is believed, in which language, and how long things stay."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from results.steps import read_addresses
from results.views.dashboard.settings.facts import show_all
from results.views.dashboard.settings.forms import AddressesForm, GeneralForm, PolicyForm
from results.views.dashboard.settings.pages import done, now, show
from results.wording import in_words
from tenants.access import Place, Role, member_page
from tenants.choices import choose, choose_language
from tenants.models import ApiKey, Credential, MerchantBrand, MerchantMode
from tenants.models.merchant import KEEPS
from tenants.retention import BadRetention, set_retention


def chosen_of(place: Place) -> MerchantMode:
    """Return what is chosen now: the route remembers it for a while."""
    return MerchantMode.objects.get(merchant=place.route.merchant_id, mode=place.route.mode)


@require_safe
@member_page()
def overview(request: HttpRequest, place: Place) -> HttpResponse:
    """Show each part of the settings with how it stands."""
    merchant, mode = place.membership.merchant, place.route.mode
    return show(
        request,
        "overview",
        place,
        endpoints=show_all(place.route),
        chosen=chosen_of(place),
        merchant=merchant,
        credential=Credential.objects.filter(merchant=merchant, mode=mode).first(),
        api_keys=ApiKey.objects.filter(merchant=merchant, mode=mode, revoked_at=None).count(),
        brand=MerchantBrand.objects.defer("logo").filter(merchant=merchant).first(),
    )


@member_page()
def addresses(request: HttpRequest, place: Place) -> HttpResponse:
    """Choose where customers may go back to, and which pages may ask."""
    chosen = chosen_of(place)
    initial = {"return_urls": chosen.return_urls, "forwards": chosen.forwards, "origins": chosen.origins}
    form = AddressesForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and may_change(place) and form.is_valid():
        return keep(request, place, form.cleaned_data, "settings_addresses")
    snippet = read_addresses(place.route).script if place.may(Role.DEVELOPER) else ""
    return show(request, "addresses", place, form=form, chosen=chosen, may=place.may(Role.ADMIN), snippet=snippet)


@member_page()
def policy(request: HttpRequest, place: Place) -> HttpResponse:
    """Choose what is believed of orders, and what PortOne hears when we cannot say."""
    chosen = chosen_of(place)
    fields = ("policy", "confirm_policy", "prepares", "reads_prepared")
    initial = {name: getattr(chosen, name) for name in fields}
    form = PolicyForm(
        request.POST if request.method == "POST" else None, initial=initial, livemode=place.route.livemode
    )
    if request.method == "POST" and may_change(place) and form.is_valid():
        return keep(request, place, form.cleaned_data, "settings_policy")
    return show(request, "policy", place, form=form, may=place.may(Role.ADMIN))


def keep(request: HttpRequest, place: Place, chosen: dict[str, object], page: str) -> HttpResponse:
    changed = choose(place.membership.merchant, place.route.mode, actor=place.user.email, at=now(), **chosen)
    words = gettext("Kept. It counts everywhere within half a minute.") if changed else gettext("Nothing was changed.")
    return done(request, place, words, page)


def may_change(place: Place) -> bool:
    """Let admins and owners through; raise PermissionDenied for others, who only look."""
    if not place.may(Role.ADMIN):
        raise PermissionDenied(Role.ADMIN)
    return True


@member_page()
def general(request: HttpRequest, place: Place) -> HttpResponse:
    """Choose the language of the customer's page, and for how many days things stay."""
    merchant = place.membership.merchant
    initial = {name.removeprefix("keeps_"): getattr(merchant, name) for name in KEEPS}
    initial["language"] = merchant.language
    form = GeneralForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and may_change(place) and form.is_valid():
        days = {name: form.cleaned_data[name] for name in ("arrivals", "replies", "attempts")}
        try:
            set_retention(merchant, **days, actor=place.user.email, at=now())
        except BadRetention as error:
            form.add_error(None, in_words(error))
        else:
            choose_language(merchant, form.cleaned_data["language"], actor=place.user.email, at=now())
            words = gettext("Kept. It counts everywhere within half a minute.")
            return done(request, place, words, "settings_general")
    return show(request, "general", place, form=form, may=place.may(Role.ADMIN))
