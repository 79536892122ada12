"""Which door leads where. Health first, then the hot paths, then pages."""

from django.urls import include, path, register_converter

from api.app import api
from api.guide.page import guide, problem
from api.pages import docs, openapi_document
from config.converters import CONVERTERS
from config.health import healthz, readyz
from config.pages import choose_language
from results.script import NAME as SCRIPT_NAME
from results.views.brand import brand_logo, brand_style
from results.views.confirm import confirm_payment
from results.views.landing import landing
from results.views.result_page import result_page, result_return, result_status
from results.views.shop_script import claim_result, shop_script, tell_result
from results.views.webhook import webhook
from tenants.staff_pages import site as staff_site

for name, converter in CONVERTERS.items():
    register_converter(converter, name)

PLACE = "dashboard/<mer:merchant>/<mode:mode>/"  # every page below it is a member's (tenants/access.py)

urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("api/v1/openapi.json", openapi_document, name="openapi"),
    path("api/v1/docs", docs, name="api_docs"),
    path("api/v1/", api.urls),
    path("webhook/<str:webhook_key>", webhook, name="webhook"),
    path("m/<str:browser_key>/complete", landing, name="landing"),
    path("m/<str:browser_key>/confirm", confirm_payment, name="confirm"),
    path("m/<str:browser_key>/result", claim_result, name="claim_result"),
    path(f"m/{SCRIPT_NAME}", shop_script, name="shop_script"),
    path("r-assets/<colour:colour>.css", brand_style, name="brand_style"),
    path("r-assets/<digest:digest>.webp", brand_logo, name="brand_logo"),
    path("r/<str:opaque>", result_page, name="result_page"),
    path("r/<str:opaque>/status", result_status, name="result_status"),
    path("r/<str:opaque>/result", tell_result, name="tell_result"),
    path("r/<str:opaque>/return", result_return, name="result_return"),
    path("guide/", guide, name="guide"),
    path("problems/<slug:type_>", problem, name="problem"),
    path("language/", choose_language, name="set_language"),
    path("accounts/", include("allauth.urls")),
    path("staff/", staff_site.urls),
    path("dashboard/", include("tenants.views.entrance")),
    path(PLACE, include("results.views.dashboard.urls")),
    path(PLACE, include("tenants.views.urls")),
]

handler400 = "config.pages.bad_request"
handler403 = "config.pages.forbidden"
handler404 = "config.pages.not_found"
handler429 = "config.pages.too_many"  # allauth's, where a limit is reached
