"""Keys of a paper exchange: whose they are, what they may do, and how they sign."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from tapeline.errors import BadData, ConfigError
from tapeline.model.number import number
from tapeline.model.secret import Credentials, Secret


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One API key. Keys with the same `account` share it; `addresses` are those it may be used from, all where empty.

    `balances`, `hedge` and `leverage` are the account's, of the first key that names it.
    """

    key: str
    secret: str
    passphrase: str = ""
    account: str = ""
    may_trade: bool = True
    addresses: tuple[str, ...] = ()
    balances: Mapping[str, str] = {}
    hedge: bool = False

    def __repr__(self) -> str:
        """Without what is secret."""
        return f"Key({self.name!r})"

    @property
    def name(self) -> str:
        """Of its account."""
        return self.account or self.key

    def credentials(self) -> Credentials:
        """What its requests are checked by."""
        secret = self.secret.encode()
        return Credentials(
            Secret(self.key), lambda text: hmac.new(secret, text, hashlib.sha256).digest(),
            passphrase=Secret(self.passphrase) if self.passphrase else None,
        )  # fmt: skip


def keys_of(path: Path) -> list[Key]:
    """Keys from a JSON file: a list of objects with the fields of `Key`. Raises ConfigError."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=list[Key])
    except OSError as error:
        raise ConfigError(f"the keys in {path} cannot be read: {error}") from error
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path} is no list of keys: {error}") from error
    doubled = {one.key for one in found if sum(one.key == other.key for other in found) > 1}
    if doubled or not found:
        raise ConfigError(
            f"{path}: " + (f"key {min(doubled)!r} is there twice" if doubled else "there is no key in it")
        )
    return found


def balances_of(text: str) -> dict[str, Decimal]:
    """`USDT=100000,BTC=2` as amounts. Raises ConfigError."""
    found: dict[str, Decimal] = {}
    for part in filter(None, text.split(",")):
        currency, _, amount = part.partition("=")
        try:
            value = number(amount)
        except BadData:
            value = None
        if not currency or value is None or value < 0:
            raise ConfigError(f"balance {part!r} cannot be read: write USDT=100000,BTC=2")
        found[currency.strip().upper()] = value
    return found


def amounts(key: Key, otherwise: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """What the account of this key begins with. Raises ConfigError."""
    if not key.balances:
        return dict(otherwise)
    return balances_of(",".join(f"{currency}={amount}" for currency, amount in key.balances.items()))


def accounts_of(keys: Sequence[Key]) -> dict[str, Key]:
    """The first key of each account, which says how it is set up."""
    found: dict[str, Key] = {}
    for key in keys:
        found.setdefault(key.name, key)
    return found
