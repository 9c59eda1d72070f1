"""Accounts at venues: `[account.NAME]`. Keys are better kept out of the file: see the descriptions of `key`."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from msgspec import Meta

from tapeline.config.kinds import Settings, Text
from tapeline.model.secret import Secret

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


class AccountConfig(Settings, frozen=True, kw_only=True):
    """One account: where it is, whether its orders are real, and its keys."""

    venue: Annotated[Text, Meta(description="The venue, as `tapeline venues` lists it, or `ccxt-EXCHANGE`.")]
    mode: Annotated[
        Literal["paper", "live"],
        Meta(
            description="`paper`: live market data and simulated fills, no key needed. `live`: real orders, which "
            "takes `tapeline trade --live` besides."
        ),
    ] = "paper"
    testnet: Annotated[bool, Meta(description="Use the venue's test network, whose keys and balances are its own.")] = (
        False
    )
    key: Annotated[
        Secret | None,
        Meta(
            description="The API key. Rather than here it is looked for in the environment "
            "(`TAPELINE_ACCOUNT__NAME__KEY`, or `..._KEY_FILE` with a file's path), in `key_file`, among systemd's "
            "credentials (`tapeline.NAME.key`) and in the keyring (service `tapeline`, user `NAME.key`; "
            "`pip install tapeline[keyring]`)."
        ),
    ] = None
    key_file: Annotated[Text | None, Meta(description="A file that holds the API key, and nothing else.")] = None
    secret: Annotated[
        Secret | None,
        Meta(
            description="The secret that belongs to the key, found as `key` is: text for HMAC-SHA256, or an Ed25519 "
            "private key in PEM (`pip install tapeline[ed25519]`)."
        ),
    ] = None
    secret_file: Annotated[Text | None, Meta(description="A file that holds the secret.")] = None
    passphrase: Annotated[
        Secret | None, Meta(description="The passphrase, for venues that have one; found as `key` is.")
    ] = None
    passphrase_file: Annotated[Text | None, Meta(description="A file that holds the passphrase.")] = None
    signature: Annotated[
        Literal["auto", "hmac", "ed25519"],
        Meta(
            description="How requests are signed. `auto`: Ed25519 where the secret is in PEM, else HMAC-SHA256. "
            "`ed25519` takes a raw seed of 32 bytes too, in hex or base64."
        ),
    ] = "auto"


def account_faults(accounts: Mapping[str, AccountConfig]) -> Iterator[str]:
    """What no single setting can tell."""
    for name, account in accounts.items():
        if _NAME.fullmatch(name) is None:
            yield f"account.{name}: a name is up to 32 letters, digits, hyphens and underscores"
        for each in ("key", "secret", "passphrase"):
            if getattr(account, each) is not None and getattr(account, f"{each}_file") is not None:
                yield f"account.{name}: {each} and {each}_file are both set: which one is meant?"
