"""Which kinds of failure do we tell merchants apart, and what can be done about each?

The names are promises to merchants (`data.payment.failure`): a meaning never changes, new names may come.
"""

from enum import StrEnum


class FailureCode(StrEnum):
    """One reason why a payment did not come about, the same word for every PG."""

    WINDOW_NOT_OPENED = "window_not_opened"
    MERCHANT_CONFIGURATION = "merchant_configuration"
    USER_CANCELLED = "user_cancelled"
    SESSION_EXPIRED = "session_expired"
    CARD_INVALID = "card_invalid"
    CARD_EXPIRED = "card_expired"
    CARD_LIMIT_EXCEEDED = "card_limit_exceeded"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    CARD_DECLINED = "card_declined"
    INSTALLMENT_NOT_ALLOWED = "installment_not_allowed"
    METHOD_NOT_SUPPORTED = "method_not_supported"
    AUTHENTICATION_FAILED = "authentication_failed"
    DUPLICATE_ORDER = "duplicate_order"
    AMOUNT_BLOCKED_BY_PREPARE = "amount_blocked_by_prepare"
    STOPPED_BY_MERCHANT_CONFIRM = "stopped_by_merchant_confirm"
    PG_MAINTENANCE = "pg_maintenance"
    PG_ERROR = "pg_error"
    TIMEOUT = "timeout"
    UNKNOWN = "unknown"


class Category(StrEnum):
    """Whose move it is."""

    MERCHANT = "merchant"
    CUSTOMER = "customer"
    INSTRUMENT = "instrument"
    PROVIDER = "provider"
    UNKNOWN = "unknown"


class CustomerAction(StrEnum):
    """What the customer had best do now."""

    CONTACT_SHOP = "contact_shop"
    RETRY = "retry"
    USE_OTHER_METHOD = "use_other_method"
    RETRY_LATER = "retry_later"


class Confidence(StrEnum):
    """How we came to the code: a PG's table, words in its message, or not at all."""

    MAPPED = "mapped"
    HEURISTIC = "heuristic"
    NONE = "none"


_CODES_BY_CATEGORY: dict[Category, tuple[FailureCode, ...]] = {
    Category.MERCHANT: (
        FailureCode.WINDOW_NOT_OPENED,
        FailureCode.MERCHANT_CONFIGURATION,
        FailureCode.DUPLICATE_ORDER,
        FailureCode.AMOUNT_BLOCKED_BY_PREPARE,
        FailureCode.STOPPED_BY_MERCHANT_CONFIRM,
    ),
    Category.CUSTOMER: (FailureCode.USER_CANCELLED, FailureCode.SESSION_EXPIRED),
    Category.INSTRUMENT: (
        FailureCode.CARD_INVALID,
        FailureCode.CARD_EXPIRED,
        FailureCode.CARD_LIMIT_EXCEEDED,
        FailureCode.INSUFFICIENT_BALANCE,
        FailureCode.CARD_DECLINED,
        FailureCode.INSTALLMENT_NOT_ALLOWED,
        FailureCode.METHOD_NOT_SUPPORTED,
        FailureCode.AUTHENTICATION_FAILED,
    ),
    Category.PROVIDER: (FailureCode.PG_MAINTENANCE, FailureCode.PG_ERROR, FailureCode.TIMEOUT),
    Category.UNKNOWN: (FailureCode.UNKNOWN,),
}
CATEGORY_OF: dict[FailureCode, Category] = {
    code: category for category, codes in _CODES_BY_CATEGORY.items() for code in codes
}
ACTION_OF: dict[Category, CustomerAction] = {
    Category.MERCHANT: CustomerAction.CONTACT_SHOP,
    Category.CUSTOMER: CustomerAction.RETRY,
    Category.INSTRUMENT: CustomerAction.USE_OTHER_METHOD,
    Category.PROVIDER: CustomerAction.RETRY_LATER,
    Category.UNKNOWN: CustomerAction.RETRY,
}
# What may succeed when the same customer tries the same thing again. A wrong password may be typed right; a
# card that has expired stays so.
RETRYABLE: frozenset[FailureCode] = frozenset(
    {
        FailureCode.USER_CANCELLED,
        FailureCode.SESSION_EXPIRED,
        FailureCode.AUTHENTICATION_FAILED,
        FailureCode.PG_MAINTENANCE,
        FailureCode.PG_ERROR,
        FailureCode.TIMEOUT,
        FailureCode.UNKNOWN,
    }
)
