"""The pages of a merchant's payments, below `/dashboard/<merchant>/<mode>/`."""

from django.urls import include, path

from results.views.dashboard import start
from results.views.dashboard.debug_signature import debug_signature
from results.views.dashboard.home import home, home_today
from results.views.dashboard.payment import (
    payment,
    payment_ask,
    payment_attempt,
    payment_raw,
    payment_replay,
    payment_review,
)
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
    path(f"{PAYMENT}/ask", payment_ask, name="payment_ask"),
    path(f"{PAYMENT}/events/<evt:event>/replay", payment_replay, name="payment_replay"),
    path(f"{PAYMENT}/attempts/<uuid:attempt>", payment_attempt, name="payment_attempt"),
    path(f"{PAYMENT}/arrivals/<uuid:row>", payment_raw, {"kind": ARRIVAL}, name="payment_arrival"),
    path(f"{PAYMENT}/answers/<uuid:row>", payment_raw, {"kind": ANSWER}, name="payment_answer"),
    path("start", start.start, name="start"),
    path("start/keys", start.start_keys, name="start_keys"),
    path("start/keys/check", start.start_check_keys, name="start_check_keys"),
    path("start/urls", start.start_urls, name="start_urls"),
    path("start/callback", start.start_callback, name="start_callback"),
    path("start/ping/<end:endpoint>", start.start_ping, name="start_ping"),
    path("start/pinged/<evt:event>", start.start_pinged, name="start_pinged"),
    path("start/order", start.start_order, name="start_order"),
    path("start/payment", start.start_payment, name="start_payment"),
    path("start/heard", start.start_heard, name="start_heard"),
    path("debug-signature", debug_signature, name="debug_signature"),
]
