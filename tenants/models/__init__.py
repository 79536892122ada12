"""Who the merchants are, and the public rows that every merchant's flow shares."""

from tenants.models.account import TakenPayment, UnmappedFailure
from tenants.models.audit import AuditEntry
from tenants.models.brand import MerchantBrand
from tenants.models.credential import Credential
from tenants.models.duty import Duty
from tenants.models.invitation import Invitation
from tenants.models.keys import ApiKey, IdempotentAnswer, MerchantKey
from tenants.models.merchant import CustomHost, Merchant, MerchantMode
from tenants.models.people import Membership, User
from tenants.models.route_key import RouteKey

__all__ = [
    "ApiKey",
    "AuditEntry",
    "Credential",
    "CustomHost",
    "Duty",
    "IdempotentAnswer",
    "Invitation",
    "Membership",
    "Merchant",
    "MerchantBrand",
    "MerchantKey",
    "MerchantMode",
    "RouteKey",
    "TakenPayment",
    "UnmappedFailure",
    "User",
]
