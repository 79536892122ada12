"""Home: is everything as it should be?"""

from django.http import HttpRequest, HttpResponse

from tenants.access import Place, member_page
from tenants.pages import draw


@member_page()
def home(request: HttpRequest, place: Place) -> HttpResponse:
    """Show today at a glance."""
    return draw(request, "dashboard/home.html", place, here="home")
