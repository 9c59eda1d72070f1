"""What risk limits there are, as one value: the settings, the checks and the reference are made from it."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta


def _most(description: str, unit: str) -> Meta:
    """A limit that is tighter the smaller it is."""
    return Meta(description=description, extra={"unit": unit, "tighter": "less"})


def _least(description: str, unit: str) -> Meta:
    """A limit that is tighter the larger it is."""
    return Meta(description=description, extra={"unit": unit, "tighter": "more"})


VALUE = "value"  # in the currency the account is valued in
SHARE = "share (0.01 is 1 %)"


# Those that `[risk]` has a default of, by a name of their own.
PriceBand = Annotated[
    Decimal | None,
    _most(
        "How far through the market an order may go: a buy above the middle of the best prices, a sell under it. "
        "Of an order without a price: how far the best price of the other side may be from that middle.",
        SHARE,
    ),
]
SelfTrade = Annotated[
    bool | None,
    Meta(
        description="Refuse an order that could trade with another of the same account. One at the market could with "
        "any that rests on the other side; a stop that waits for its price at the venue does not rest.",
        extra={"unit": "", "tighter": "more"},
    ),
]
OpenOrders = Annotated[int | None, _most("Most orders that are not final.", "orders")]
OrdersPerSecond = Annotated[int | None, _most("Most orders and amends within a second.", "orders")]
DataAge = Annotated[float | None, _most("Refuse while the newest price of the instrument is older.", "seconds")]
Synchronised = Annotated[
    bool | None,
    Meta(description="Refuse while the instrument's book cannot be trusted.", extra={"unit": "", "tighter": "more"}),
]
AfterRepair = Annotated[
    float | None,
    _least("Refuse for this long after a hole in the instrument's data was found or filled.", "seconds"),
]
ClockOffset = Annotated[
    float | None, _most("Refuse while our clock is further from the venue's, after correction.", "seconds")
]


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one scope: an account, a strategy, an instrument or a venue. None: no such limit here.

    Values are in the currency the account is valued in, sizes in the instrument's own unit.
    """

    max_order_value: Annotated[
        Decimal | None,
        _most("Most one order may be worth, at its own price or the market's, whichever is more.", VALUE),
    ] = None
    max_order_size: Annotated[
        Decimal | None, _most("Largest size of one order, in the instrument's own unit.", "size")
    ] = None
    price_band: PriceBand = None
    price_distance: Annotated[
        Decimal | None,
        _most("How far from the market an order may rest: a buy under the middle, a sell above it.", SHARE),
    ] = None
    fat_finger_times: Annotated[
        Decimal | None,
        _most(
            "How many times the usual an order may be worth: the median of the last twenty orders of its strategy in "
            "its instrument, once there are five.",
            "times",
        ),
    ] = None
    refuse_self_trade: SelfTrade = None
    duplicate_s: Annotated[
        float | None,
        _least(
            "Refuse an order that is equal in strategy, instrument, side, kind, size and price to one no older.",
            "seconds",
        ),
    ] = None
    max_position: Annotated[
        Decimal | None,
        _most("Largest position in one instrument, long or short, with all open orders filled that hurt.", "size"),
    ] = None
    max_position_value: Annotated[Decimal | None, _most("The same, in value at the market's price.", VALUE)] = None
    max_gross: Annotated[
        Decimal | None, _most("Most all positions together may be worth, long and short added, at their worst.", VALUE)
    ] = None
    max_net: Annotated[
        Decimal | None, _most("Most they may be worth with shorts taken off longs, either way, at their worst.", VALUE)
    ] = None
    max_open_orders: OpenOrders = None
    max_orders_per_second: OrdersPerSecond = None
    max_orders_per_minute: Annotated[int | None, _most("Most orders and amends within a minute.", "orders")] = None
    max_cancels_per_minute: Annotated[
        int | None,
        _most("Most cancels within a minute. No cancel is refused: above it, what could be cancelled is.", "cancels"),
    ] = None
    max_daily_loss: Annotated[
        Decimal | None, _most("Most that may be lost since midnight UTC, unrealised losses and fees included.", VALUE)
    ] = None
    max_drawdown: Annotated[Decimal | None, _most("Most that may be lost since the highest equity.", VALUE)] = None
    max_drawdown_share: Annotated[Decimal | None, _most("The same, as a share of that equity.", SHARE)] = None
    max_daily_fees: Annotated[Decimal | None, _most("Most fees paid since midnight UTC.", VALUE)] = None
    max_leverage: Annotated[
        Decimal | None, _most("Most all positions may be worth at their worst, in equities.", "times")
    ] = None
    max_margin_share: Annotated[
        Decimal | None, _most("Most of the equity that may be used as margin, by this order's too.", SHARE)
    ] = None
    max_data_age_s: DataAge = None
    require_synchronised: Synchronised = None
    wait_after_repair_s: AfterRepair = None
    max_clock_offset_s: ClockOffset = None


def _tighter() -> dict[str, str]:
    found = {}
    for each in msgspec.structs.fields(RiskLimits):
        metas: tuple[Any, ...] = getattr(each.type, "__metadata__", ())
        found[each.name] = str((metas[0].extra or {})["tighter"])
    return found


TIGHTER = _tighter()
"""Of each limit, which way is tighter: "less" or "more"."""


def looser(name: str, before: Any, after: Any) -> bool:
    """Whether a limit lets more through than before."""
    if before is None:
        return False
    if after is None:
        return True
    return bool(after > before if TIGHTER[name] == "less" else after < before)


def tightest(name: str, one: Any, other: Any) -> Any:
    """The stricter of two values of a limit; None is no limit."""
    return one if looser(name, one, other) else other
