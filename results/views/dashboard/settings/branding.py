"""How customers see the merchant: name, colour and logo, with what becomes of the colour on light and dark ground."""

from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from results.views.dashboard.settings.forms import BrandForm
from results.views.dashboard.settings.pages import done, now, show
from tenants.access import Place, Role, member_page
from tenants.branding import set_brand
from tenants.colour import LEGIBLE, NIGHT, PAPER, contrast, legible, text_on
from tenants.models import MerchantBrand


@dataclass(frozen=True, slots=True)
class Ground:
    """A colour on one ground: how well it is read there, and the shade that links get."""

    dark: bool
    ground: str
    ratio: float
    shade: str

    @property
    def is_kept(self) -> bool:
        return self.ratio >= LEGIBLE


def grounds_of(colour: str) -> list[Ground]:
    return [
        Ground(ground == NIGHT, ground, round(contrast(colour, ground), 1), legible(colour, on=ground))
        for ground in (PAPER, NIGHT)
    ]


@member_page()
def branding(request: HttpRequest, place: Place) -> HttpResponse:
    """Choose how customers see the merchant."""
    merchant = place.membership.merchant
    brand = MerchantBrand.objects.defer("logo").filter(merchant=merchant).first()
    initial = {"name": brand.name, "colour": f"#{brand.colour}" if brand.colour else ""} if brand else {}
    form = BrandForm(request.POST or None, request.FILES or None, initial=initial)
    if not (brand and brand.logo_name):
        del form.fields["remove_logo"]
    if request.method == "POST":
        if not place.may(Role.ADMIN):
            raise PermissionDenied(Role.ADMIN)
        if form.is_valid():
            set_brand(merchant, **form.cleaned_data, actor=place.user.email, at=now())
            words = gettext("Kept. Customers see it within half a minute.")
            return done(request, place, words, "settings_branding")
    colour = brand.colour if brand else ""
    return show(
        request,
        "branding",
        place,
        form=form,
        brand=brand,
        colour=colour,
        text=text_on(colour) if colour else "",
        grounds=grounds_of(colour) if colour else [],
        may=place.may(Role.ADMIN),
    )
