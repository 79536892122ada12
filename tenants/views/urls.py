"""The pages of a merchant's people, below `/dashboard/<merchant>/<mode>/`."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
