"""A key of OKX's, instruments, and the samples, for tests of its trading half."""

import hashlib
import hmac
import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from tapeline.model.instrument import Instrument
from tapeline.model.secret import Credentials, Secret

SECOND_NS = 1_000_000_000
MS_NS = 1_000_000


def _signed(text: bytes) -> bytes:
    return hmac.new(b"okx_secret", text, hashlib.sha256).digest()


OURS = Credentials(key=Secret("okx_key"), sign=_signed, passphrase=Secret("okx_pass"))

SPOT = Instrument(
    venue="okx", symbol="BTC/USDT", native="BTC-USDT", kind="spot", base="BTC", quote="USDT", tick=Decimal("0.1"),
    lot=Decimal("0.00000001"), min_size=Decimal("0.00001"), code="10458",
)  # fmt: skip
SWAP = Instrument(
    venue="okx", symbol="BTC/USDT:USDT", native="BTC-USDT-SWAP", kind="perpetual", base="BTC", quote="USDT",
    settle="USDT", tick=Decimal("0.1"), lot=Decimal("0.01"), min_size=Decimal("0.01"), size_unit="contract",
    contract_size=Decimal("0.01"), code="10459",
)  # fmt: skip
BY_NATIVE = {each.native: each for each in (SPOT, SWAP)}
BY_ID = {each.id: each for each in (SPOT, SWAP)}
IDS = {each.native: each.id for each in (SPOT, SWAP)}


def secret_of(key: str) -> Credentials | None:
    """The credentials of the one key there is."""
    return OURS if key == "okx_key" else None


@cache
def okx_samples(shared: Path) -> dict[str, dict[str, Any]]:
    """Every OKX sample by its id."""
    with (shared / "samples" / "okx.jsonl").open(encoding="utf-8") as rows:
        return {row["id"]: row for row in map(json.loads, rows)}


def sample(shared: Path, number: int) -> bytes:
    """One sample's bytes."""
    raw: str = okx_samples(shared)[f"okx-{number:04d}"]["raw"]
    return raw.encode()
