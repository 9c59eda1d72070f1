"""OKX's list of instruments to ours, and back. Pure.

https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments
"""

from datetime import UTC, datetime
from decimal import Decimal

from msgspec import UNSET, Struct, UnsetType

from tapeline.errors import BadData
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, number
from tapeline.venues.okx.wire import MS_NS, STATE_OF, STATUS_OF

TYPES = ("SPOT", "SWAP", "FUTURES")
KIND_OF = {"SPOT": "spot", "MARGIN": "spot", "SWAP": "perpetual", "FUTURES": "future", "OPTION": "option"}
TYPE_OF = {"spot": "SPOT", "perpetual": "SWAP", "future": "FUTURES", "option": "OPTION"}


# {"baseCcy":"","ctMult":"1","ctType":"linear","ctVal":"0.01","ctValCcy":"BTC","expTime":"","instFamily":"BTC-USDT",
#  "instId":"BTC-USDT-SWAP","instType":"SWAP","lotSz":"1","minSz":"1","optType":"","quoteCcy":"","settleCcy":"USDT",
#  "state":"live","stk":"","tickSz":"0.1","uly":"BTC-USDT"}
class Listing(Struct, omit_defaults=False):
    """One instrument as OKX lists it, as far as we use it. baseCcy and quoteCcy are of spot, uly of the rest."""

    instType: str
    instId: str
    state: str = "live"
    baseCcy: str = ""
    quoteCcy: str = ""
    settleCcy: str = ""
    uly: str = ""
    instFamily: str = ""
    ctVal: str = ""
    ctMult: str = ""
    ctValCcy: str = ""
    ctType: str = ""
    tickSz: str = ""
    lotSz: str = ""
    minSz: str = ""
    expTime: str = ""
    stk: str = ""
    optType: str = ""
    instIdCode: int | str | UnsetType = UNSET  # what the private WebSocket wants instead of instId since February 2026


def instrument(venue: str, listed: Listing) -> Instrument:
    """Ours from theirs. Raises BadData for what cannot be named (no underlying, an unknown type)."""
    kind = KIND_OF.get(listed.instType)
    if kind is None:
        raise BadData(f"okx: {listed.instId} is of unknown type {listed.instType!r}", kind="schema")
    base, quote = listed.baseCcy, listed.quoteCcy
    if kind != "spot":
        base, _, quote = (listed.uly or listed.instFamily).partition("-")
    if not (base and quote):
        raise BadData(f"okx: {listed.instId} has no base or quote currency", kind="schema")
    expiry_ns = int(listed.expTime) * MS_NS if listed.expTime else None
    value, multiple = number(listed.ctVal), number(listed.ctMult)
    derivative = kind != "spot"
    return Instrument(
        venue=venue, symbol=_symbol(listed, kind, base, quote, expiry_ns), native=listed.instId, kind=kind, base=base,
        quote=quote, settle=listed.settleCcy, status=STATUS_OF.get(listed.state, "halted"), tick=number(listed.tickSz),
        lot=number(listed.lotSz), min_size=number(listed.minSz), size_unit="contract" if derivative else "base",
        contract_size=EXACT.multiply(value or Decimal(1), multiple or Decimal(1)) if derivative else Decimal(1),
        inverse=listed.ctType == "inverse", expiry_ns=expiry_ns if kind in {"future", "option"} else None,
        code="" if listed.instIdCode is UNSET else str(listed.instIdCode),
    )  # fmt: skip


def listing(ours: Instrument) -> Listing:
    """Theirs from ours: what reads back as the same instrument."""
    derivative = ours.kind != "spot"
    underlying = f"{ours.base}-{ours.quote}" if derivative else ""
    strike, _, option = ours.symbol.rpartition("-") if ours.kind == "option" else ("", "", "")
    return Listing(
        instType=TYPE_OF[ours.kind], instId=ours.native, state=STATE_OF[ours.status],
        baseCcy="" if derivative else ours.base, quoteCcy="" if derivative else ours.quote, settleCcy=ours.settle,
        uly=underlying, instFamily=underlying, ctVal=_text(ours.contract_size) if derivative else "",
        ctMult="1" if derivative else "", ctValCcy=(ours.quote if ours.inverse else ours.base) if derivative else "",
        ctType=_contract_type(ours), tickSz=_text(ours.tick), lotSz=_text(ours.lot), minSz=_text(ours.min_size),
        expTime="" if ours.expiry_ns is None else str(ours.expiry_ns // MS_NS),
        stk=strike.rpartition("-")[2], optType=option, instIdCode=int(ours.code) if ours.code else UNSET,
    )  # fmt: skip


def _contract_type(ours: Instrument) -> str:
    if ours.kind in {"spot", "option"}:
        return ""
    return "inverse" if ours.inverse else "linear"


def _symbol(listed: Listing, kind: str, base: str, quote: str, expiry_ns: int | None) -> str:
    if kind == "spot":
        return f"{base}/{quote}"
    name = f"{base}/{quote}:{listed.settleCcy}"
    if kind == "perpetual":
        return name
    if expiry_ns is None:
        raise BadData(f"okx: {listed.instId} has no expiry", kind="schema")
    name += f"-{datetime.fromtimestamp(expiry_ns // 1_000_000_000, UTC):%y%m%d}"
    return f"{name}-{listed.stk}-{listed.optType}" if kind == "option" else name


def _text(value: Decimal | None) -> str:
    return "" if value is None else format(value, "f")
