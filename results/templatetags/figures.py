"""How home writes its figures."""

from django import template
from django.utils.translation import gettext

from results.core import money
from results.core.money import Money

register = template.Library()


@register.filter
def written(amount: Money) -> str:
    """Return an amount for a person: ₩64,900."""
    return money.written(amount)


@register.filter
def seconds(number: float) -> str:
    """Return how long something took: tenths below ten seconds, never two units where one is enough."""
    if number < 9.95:
        return gettext("%(n)s s") % {"n": f"{number:.1f}"}
    if number < 59.5:
        return gettext("%(n)s s") % {"n": round(number)}
    if number < 3570:
        return gettext("%(n)s min") % {"n": round(number / 60)}
    return gettext("%(n)s h") % {"n": f"{number / 3600:,.1f}"}


@register.filter
def percent(permille: int) -> str:
    """Return a share with one decimal: 98.7 %. Not rounded up, so that 100 % means all of them."""
    return f"{permille // 10}.{permille % 10}%" if permille < 1000 else "100%"
