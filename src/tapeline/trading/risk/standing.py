"""How things stand when an order is judged: exposure at its worst, the market, its data. Values. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ZERO
from tapeline.model.order import Intent

SCOPES = ("account", "strategy", "instrument", "venue")
BEYOND = Decimal("Infinity")  # a figure that nobody knows, or of nothing: over any limit


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's position and what its open orders may still make of it, in the instrument's own unit.

    `size` is negative where it is short. `buys` and `sells` count every order that is not final as if filled whole;
    `reduce_buys` and `reduce_sells` those that the venue itself keeps from opening or turning a position.
    """

    size: Decimal = ZERO
    buys: Decimal = ZERO
    sells: Decimal = ZERO
    reduce_buys: Decimal = ZERO
    reduce_sells: Decimal = ZERO

    @property
    def low(self) -> Decimal:
        """The lowest the position may come to, whichever orders are filled, in whatever order."""
        closed = min(self.reduce_sells, max(self.size, ZERO))
        return EXACT.subtract(EXACT.subtract(self.size, closed), self.sells)

    @property
    def high(self) -> Decimal:
        """The highest it may come to."""
        closed = min(self.reduce_buys, max(EXACT.minus(self.size), ZERO))
        return EXACT.add(EXACT.add(self.size, closed), self.buys)

    @property
    def worst(self) -> Decimal:
        """The largest it may come to, long or short."""
        return max(EXACT.abs(self.low), EXACT.abs(self.high))

    def with_order(self, side: str, size: Decimal, *, reduces: bool) -> "Held":
        """The same with one more order that may be filled."""
        name = ("reduce_" if reduces else "") + ("buys" if side == "buy" else "sells")
        return msgspec.structs.replace(self, **{name: EXACT.add(getattr(self, name), size)})


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How one scope stands before the order, in the currency the account is valued in.

    `held` is its position in the order's instrument; `gross`, `net_low` and `net_high` are what all its *other*
    positions may be worth at their worst. Equity is None where a scope has none that is known.
    """

    held: Held = Held()
    gross: Decimal = ZERO
    net_low: Decimal = ZERO
    net_high: Decimal = ZERO
    open_orders: int = 0
    orders_in_second: int = 0
    orders_in_minute: int = 0
    cancels_in_minute: int = 0
    lost_today: Decimal = ZERO  # negative: won
    drawdown: Decimal = ZERO  # since the highest equity
    drawdown_share: Decimal = ZERO
    fees_today: Decimal = ZERO
    equity: Decimal | None = None
    margin: Decimal = ZERO  # in use, for what is held and ordered
    usual_value: Decimal | None = None  # the median of its last orders; None where there are too few


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the order's instrument right now. None: not known, or there is no such thing."""

    price: Decimal | None = None  # the middle of the best prices, else the mark or the last price
    bid: Decimal | None = None
    ask: Decimal | None = None
    rate: Decimal | None = Decimal(1)  # of its quote currency in the one the account is valued in
    age_s: float | None = None  # of the newest price; None: there never was one
    synchronised: bool = True  # its book can be trusted, or there is none
    repaired_s_ago: float | None = None  # a hole in its data was found or filled so long ago
    clock_offset_s: float = 0.0  # from the venue's clock, after correction


class Resting(msgspec.Struct, frozen=True):
    """An order of ours that may trade with a new one of the same account and instrument. None: at any price."""

    client_id: str
    side: str
    price: Decimal | None


class RiskState(msgspec.Struct, frozen=True, kw_only=True):
    """All that `check` looks at besides the intent and the limits, at the moment it is asked.

    `figures` has one entry a scope of SCOPES that has limits; `recent` are intents of the strategy with their age in
    seconds; `free` what is free of the currency a spot order spends, None where it is not known or not to be asked;
    `margin_rate` the margin a position takes, as a share of its value.
    """

    instrument: Instrument | None
    market: Market = Market()
    figures: Mapping[str, Figures] = {}
    halt: str = "running"  # running | reduce_only | halted | flattening | flat
    resting: Sequence[Resting] = ()
    recent: Sequence[tuple[Intent, float]] = ()
    free: Decimal | None = None
    margin_rate: Decimal | None = None
    mode: str = "net"  # "hedge" where long and short are held side by side
    unvalued: str = ""  # an instrument that something is held of and nobody can value
