"""Limits of risk: `[risk]` for every account, and tables by name for what is to be stricter."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Literal

from msgspec import Meta

from tapeline.model.limits import (
    AfterRepair,
    ClockOffset,
    DataAge,
    OpenOrders,
    OrdersPerSecond,
    PriceBand,
    RiskLimits,
    SelfTrade,
    Synchronised,
)

_NONE: Mapping[str, RiskLimits] = MappingProxyType({})


class RiskConfig(RiskLimits, frozen=True, kw_only=True):
    """Limits of every account by itself, and what is done where one is exceeded.

    `[risk.account.NAME]`, `[risk.strategy.NAME]`, `[risk.instrument."venue:SYMBOL"]` and `[risk.venue.NAME]` take the
    same limits. All that concern an order hold at once: the strictest wins.
    """

    price_band: PriceBand = Decimal("0.05")
    refuse_self_trade: SelfTrade = True
    max_open_orders: OpenOrders = 200
    max_orders_per_second: OrdersPerSecond = 50
    max_data_age_s: DataAge = 60.0
    require_synchronised: Synchronised = True
    wait_after_repair_s: AfterRepair = 2.0
    max_clock_offset_s: ClockOffset = 2.0
    on_breach: Annotated[
        Literal["refuse", "reduce_only", "halted", "flattening"],
        Meta(
            description="What an account becomes where a limit of losses, fees, position, exposure or leverage is "
            "exceeded without an order: the market did it, or the limit was tightened. `refuse`: nothing, further "
            "orders are refused."
        ),
    ] = "reduce_only"
    account: Mapping[str, RiskLimits] = _NONE
    strategy: Mapping[str, RiskLimits] = _NONE
    instrument: Mapping[str, RiskLimits] = _NONE
    venue: Mapping[str, RiskLimits] = _NONE


def risk_faults(risk: RiskConfig, accounts: Mapping[str, object]) -> Iterator[str]:
    """What no single setting can tell, and bounds that exact numbers cannot be given otherwise."""
    tables: list[tuple[str, RiskLimits]] = [("risk", risk)]
    for kind in ("account", "strategy", "instrument", "venue"):
        tables += [(f"risk.{kind}.{name}", limits) for name, limits in getattr(risk, kind).items()]
    for path, limits in tables:
        for name in RiskLimits.__struct_fields__:
            value = getattr(limits, name)
            if value is not None and not isinstance(value, bool) and not _good(value):
                yield f"{path}.{name}: expected a number >= 0"
    for name in risk.account:
        if name not in accounts:
            yield f"risk.account.{name}: there is no [account.{name}]"
    for name in risk.instrument:
        if not all(name.partition(":")):
            yield f"risk.instrument.{name}: an instrument is written venue:SYMBOL"


def _good(value: Decimal | float) -> bool:
    return Decimal(value).is_finite() and value >= 0
