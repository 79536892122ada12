"""Which stories are walked through? All of them, in the order of the table."""

from .completion import COMPLETION
from .delays import DELAYS, PORTONE_DOWN
from .forgeries import FORGERIES, WEBHOOK_LED_ASTRAY

TALES = (*COMPLETION, *FORGERIES, *DELAYS, WEBHOOK_LED_ASTRAY, PORTONE_DOWN)
