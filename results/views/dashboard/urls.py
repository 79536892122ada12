"""The pages of a merchant's payments, below `/dashboard/<merchant>/<mode>/`."""

from django.urls import include, path

from results.views.dashboard.home import home, home_today
from results.views.dashboard.payment import payment, payment_attempt, payment_raw, payment_replay, payment_review
from results.views.dashboard.payment_raw import ANSWER, ARRIVAL
from results.views.dashboard.payments import payments, payments_file

PAYMENT = "payments/<pay:payment>"

urlpatterns = [
    path("", home, name="home"),
    path("today", home_today, name="home_today"),
    path("settings/", include("results.views.dashboard.settings.urls")),
    path("payments", payments, name="payments"),
    path("payments.csv", payments_file, name="payments_file"),
    path(PAYMENT, payment, name="payment"),
    path(f"{PAYMENT}/review", payment_review, name="payment_review"),
    path(f"{PAYMENT}/events/<evt:event>/replay", payment_replay, name="payment_replay"),
    path(f"{PAYMENT}/attempts/<uuid:attempt>", payment_attempt, name="payment_attempt"),
    path(f"{PAYMENT}/arrivals/<uuid:row>", payment_raw, {"kind": ARRIVAL}, name="payment_arrival"),
    path(f"{PAYMENT}/answers/<uuid:row>", payment_raw, {"kind": ANSWER}, name="payment_answer"),
]
