"""The words of our addresses: a merchant by the id that people see, and a mode."""

from typing import Final
from uuid import UUID

from results.core.ids import decode, encode
from tenants.fields import Mode


class Id:
    """An outside id in a path, as a UUID in a view. Subclasses name its prefix."""

    prefix = ""
    regex = "[a-z]{3}_[0-9A-Za-z]{26}"

    def to_python(self, text: str) -> UUID:
        id_ = decode(text, prefix=self.prefix)
        if id_ is None:
            raise ValueError(text)
        return id_

    def to_url(self, value: UUID) -> str:
        return encode(self.prefix, value)


class MerchantId(Id):
    prefix = "mer"


class PaymentId(Id):
    prefix = "pay"


class EventId(Id):
    prefix = "evt"


class EndpointId(Id):
    prefix = "end"


class ReplayId(Id):
    prefix = "rep"


class ModeName:
    regex = "|".join(Mode.values)

    def to_python(self, text: str) -> str:
        return text

    def to_url(self, value: str) -> str:
        return value


class Colour(ModeName):
    """Six hexadecimal digits."""

    regex = "[0-9a-f]{6}"


class Digest(ModeName):
    """What names a picture by its content."""

    regex = "[0-9a-f]{32}"


CONVERTERS: Final[dict[str, type[Id] | type[ModeName]]] = {
    "mer": MerchantId,
    "pay": PaymentId,
    "evt": EventId,
    "end": EndpointId,
    "rep": ReplayId,
    "mode": ModeName,
    "colour": Colour,
    "digest": Digest,
}
