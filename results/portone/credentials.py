"""A merchant's PortOne keys and the token they bought: opened here, and only here."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings

from tenants.encryption import Vault
from tenants.models import Credential

TABLE = "tenants_credential"
# How keys and sub-store codes are written; what is not was copied wrongly.
KEY: Final = re.compile(r"[!-~]{1,512}")
TIER: Final = re.compile(r"[A-Za-z0-9]{3}")
SHOWN: Final = 4
SHORT: Final = 12


@dataclass(frozen=True, slots=True)
class Access:
    """What opens PortOne's API for one merchant and mode, and the account that it opens. Never printed."""

    credential_id: UUID
    imp_key: str = field(repr=False)
    imp_secret: str = field(repr=False)
    tier: str = ""
    token: str | None = field(default=None, repr=False)
    token_expires_at: datetime | None = None
    account: bytes = field(default=b"", repr=False)


def open_access(credential: Credential, vault: Vault) -> Access:
    """Open a merchant's keys; raise SealingKeyMissing or SealBroken."""
    imp_key = _open(credential, "imp_key", vault)
    return Access(
        credential_id=credential.id,
        imp_key=imp_key,
        imp_secret=_open(credential, "imp_secret", vault),
        tier=credential.tier,
        token=_open(credential, "token", vault) if credential.token else None,
        token_expires_at=credential.token_expires_at,
        account=bytes(credential.account or account_of(imp_key, credential.tier)),
    )


def _open(credential: Credential, name: str, vault: Vault) -> str:
    return vault.open(getattr(credential, name), table=TABLE, field=name, row=credential.id).decode()


def show_masked(credential: Credential, vault: Vault) -> str:
    """Return the end of a merchant's key, by which people know it again, and of a short one nothing."""
    imp_key = _open(credential, "imp_key", vault)
    return f"…{imp_key[-SHOWN:]}" if len(imp_key) >= SHORT else "…"


def seal_credential(credential: Credential, vault: Vault, *, imp_key: str, imp_secret: str) -> None:
    """Put keys into a credential, sealed for its row; whatever token it had is dropped."""
    row = credential.id
    credential.imp_key = vault.seal(imp_key.encode(), table=TABLE, field="imp_key", row=row)
    credential.imp_secret = vault.seal(imp_secret.encode(), table=TABLE, field="imp_secret", row=row)
    credential.token, credential.token_expires_at = None, None
    credential.account = account_of(imp_key, credential.tier)


def account_of(imp_key: str, tier: str) -> bytes:
    """Return what names a PortOne account: the same for whoever holds its key, and no help in finding the key.

    HMAC-SHA256 under a pepper that is not in the database, as with API keys.
    """
    pepper = hashlib.sha256(b"portone account pepper:" + settings.SECRET_KEY.encode()).digest()
    return hmac.digest(pepper, f"{tier}\n{imp_key}".encode(), "sha256")


def note_account(access: Access) -> None:
    """Name the account of keys that were stored before accounts were told apart."""
    Credential.objects.filter(id=access.credential_id, account=None).update(account=access.account)


def keep_token(access: Access, vault: Vault, *, token: str, expires_at: datetime) -> None:
    """Share a fresh token with the other workers, sealed, unless the row has got keys of another account meanwhile."""
    sealed = vault.seal(token.encode(), table=TABLE, field="token", row=access.credential_id)
    same = Credential.objects.filter(id=access.credential_id, account=access.account)
    same.update(token=sealed, token_expires_at=expires_at)
