"""The pages of a merchant's payments, below `/dashboard/<merchant>/<mode>/`."""

from django.urls import include, path

from results.views.dashboard.home import home

urlpatterns = [
    path("", home, name="home"),
    path("settings/", include("results.views.dashboard.settings.urls")),
]
