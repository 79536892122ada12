"""What happened, and who was told. One copy of these tables in every merchant's schema."""

from results.models.arrivals import Notification, Verification
from results.models.endpoints import Endpoint, EndpointSecret
from results.models.forgetting import Forgetting
from results.models.money import Order, Payment
from results.models.reconciliation import Reconciliation
from results.models.replays import Replay
from results.models.setup import Setup
from results.models.telling import Attempt, Delivery, Event

__all__ = [
    "Attempt",
    "Delivery",
    "Endpoint",
    "EndpointSecret",
    "Event",
    "Forgetting",
    "Notification",
    "Order",
    "Payment",
    "Reconciliation",
    "Replay",
    "Setup",
    "Verification",
]
