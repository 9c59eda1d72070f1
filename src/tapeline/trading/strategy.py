"""What a strategy is: one small class to inherit, or a plain function. It decides; it never sends and never waits."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tapeline.errors import ConfigError
from tapeline.model.account import Fill, Payment
from tapeline.model.event import Bar, Quote, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent, Order
from tapeline.trading.desk import BookView, Demand, Desk, Money, Stand
from tapeline.trading.input import Healthy, Reduced
from tapeline.trading.settings import Number, as_declared, exact, settings_of


class Strategy:
    """Inherit, override what you need, and act by `self.buy`, `self.sell`, `self.cancel`, `self.close`.

    Public class attributes are settings: `fast = 10` can be given as `MyStrategy(fast=20)`, in `[[strategy]]` or on
    the command line. The hooks are called one at a time, in the order things happened; they must return soon, and one
    that raises pauses the strategy (`on_error`), never the engine.
    """

    name: str = ""
    """What orders, reports and the journal call it; the class's name where it is left out."""
    account: str = ""
    """The account it trades with; left out, the only account of each instrument's venue."""
    instruments: Sequence[str] = ()
    """What it watches, as `venue:symbol`."""
    channels: Sequence[str] = ("trades",)
    """What it hears of each: `trades`, `quotes`, `book`, `bars:1m`, ... ; for other cases override `feeds`."""
    require: Demand | float | None = None
    """How good the data must be: a `Demand`, or for how many seconds back every trade must be proven to be there."""
    on_error: str = "pause"
    """What an exception of its own does: pause (cancel its orders, call it no more) | halt (the account) | go_on."""

    def __init__(self, **settings: Any) -> None:
        known = settings_of(type(self))
        for key, value in settings.items():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
                raise ConfigError(f"strategy {type(self).__name__} has no setting {key!r}: {hint}")
            setattr(self, key, as_declared(known[key], value, f"{type(self).__name__}.{key}"))
        if not self.name:
            self.name = type(self).__name__
        for key in ("name", "account"):
            if not isinstance(getattr(self, key), str):
                raise ConfigError(f"{type(self).__name__}.{key}: {getattr(self, key)!r} is not text")
        if isinstance(self.require, int | float):
            self.require = Demand(last_s=float(self.require))
        if self.on_error not in {"pause", "halt", "go_on"}:
            raise ConfigError(f"strategy {self.name}: on_error is pause, halt or go_on, not {self.on_error!r}")
        self._desk: Desk | None = None

    # ---- hooks ----------------------------------------------------------------------------------------------------

    def feeds(self) -> Mapping[str, Sequence[str]]:
        """What it hears: instrument -> channels."""
        return {instrument: tuple(self.channels) for instrument in self.instruments}

    def on_start(self) -> None:
        """It begins; orders and positions of an earlier run are there already."""

    def on_trade(self, trade: Trade) -> None:
        """A trade of the market."""

    def on_quote(self, quote: Quote) -> None:
        """The best bid or offer changed."""

    def on_bar(self, bar: Bar) -> None:
        """A bar closed; one that is corrected later comes again with a higher `revision`."""

    def on_book(self, book: BookView) -> None:
        """A maintained book changed."""

    def on_event(self, event: Any) -> None:
        """Anything else that the feeds bring: mark, funding, gap, ticker, liquidation, ..."""

    def on_order(self, order: Order) -> None:
        """One of its orders changed; `withdrawn` with `why` is one that was refused before it was sent."""

    def on_fill(self, fill: Fill) -> None:
        """One of its orders was filled, wholly or in part."""

    def on_reduced(self, reduced: Reduced) -> None:
        """Somebody else closed what it holds, or a part: an emergency stop, the venue, a person."""

    def on_payment(self, payment: Payment) -> None:
        """Funding or another payment on the account it trades with."""

    def on_health(self, health: Healthy) -> None:
        """Something it depends on went wrong or came right: a feed, the clock, the venue, its own permission."""

    def on_timer(self, name: str) -> None:
        """A timer it named has come."""

    def on_stop(self) -> None:
        """It ends; orders may still be placed or cancelled here."""

    # ---- acting ---------------------------------------------------------------------------------------------------

    def buy(self, instrument: str, size: Number | None = None, **options: Any) -> Order:
        """Buy. Without a price at the market; options as in `order`."""
        return self.order("buy", instrument, size, **options)

    def sell(self, instrument: str, size: Number | None = None, **options: Any) -> Order:
        """Sell. Without a price at the market; options as in `order`."""
        return self.order("sell", instrument, size, **options)

    def order(
        self, side: str, instrument: str, size: Number | None = None, *, price: Number | None = None,
        stop: Number | None = None, take_profit: Number | None = None, trail: Number | None = None,
        quote: Number | None = None, time_in_force: str = "gtc", expires_in_s: float | None = None,
        post_only: bool = False, reduce_only: bool = False, position: str = "net", account: str = "", note: str = "",
    ) -> Order:  # fmt: skip
        """An order, as it stands right after: `state` is `withdrawn` and `why` says it where it was refused.

        `price` makes it a limit. `stop` waits for a price that is worse, `take_profit` for one that is better, `trail`
        follows the best price at this fraction (`"0.01"` is 1 %). `quote` spends so much instead of `size`.
        """
        desk = self._bound()
        return desk.place(
            Intent(
                instrument=instrument, side=side, kind=_kind(price, stop, take_profit, trail),
                size=exact(size), quote_size=exact(quote), price=exact(price),
                stop_price=exact(stop if stop is not None else take_profit), trail=exact(trail),
                time_in_force=time_in_force if expires_in_s is None else "gtd",
                expires_ns=None if expires_in_s is None else desk.now_ns + round(expires_in_s * 1e9),
                post_only=post_only, reduce_only=reduce_only, position=position, account=account or self.account,
                strategy=self.name, note=note,
            )
        )  # fmt: skip

    def oco(
        self, side: str, instrument: str, size: Number, *, price: Number, stop: Number, reduce_only: bool = False,
        position: str = "net", account: str = "", note: str = "",
    ) -> list[Order]:  # fmt: skip
        """A limit at `price` and a stop at `stop`: what one fills the other loses, and the end of one ends both.

        Where the venue takes both as one list they rest there, the limit as post-only; else the stop waits with us.
        """
        limit = Intent(
            instrument=instrument, side=side, kind="limit", size=exact(size), price=exact(price),
            reduce_only=reduce_only, position=position, account=account or self.account, strategy=self.name, note=note,
        )  # fmt: skip
        stops = replace(limit, kind="stop", price=None, stop_price=exact(stop))
        return self._bound().place_together([limit, stops])

    def bracket(
        self, side: str, instrument: str, size: Number, *, take_profit: Number, stop: Number,
        price: Number | None = None, position: str = "net", account: str = "", note: str = "",
    ) -> Order:  # fmt: skip
        """An entry (a limit where it has a price), and as it fills, a take-profit and a stop of what was filled."""
        entry = Intent(
            instrument=instrument, side=side, kind="market" if price is None else "limit", size=exact(size),
            price=exact(price), position=position, account=account or self.account, strategy=self.name, note=note,
        )  # fmt: skip
        profit, loss = exact(take_profit), exact(stop)
        assert profit is not None, "a bracket has a take-profit"
        assert loss is not None, "a bracket has a stop"
        return self._bound().place_bracket(entry, profit, loss)

    def cancel(self, order: Order | str) -> None:
        """Cancel an order; nothing where it is final already."""
        self._bound().cancel(order if isinstance(order, str) else order.client_id)

    def cancel_all(self, instrument: str | None = None) -> None:
        """Cancel every order of this strategy, or those of one instrument."""
        for order in self.orders(instrument):
            self.cancel(order)

    def amend(
        self, order: Order | str, *, size: Number | None = None, price: Number | None = None, stop: Number | None = None
    ) -> bool:
        """Change total size (what is filled included) or price; False where it could not be asked for.

        `stop` is the price that an order waits for, of one that waits with us.
        """
        client_id = order if isinstance(order, str) else order.client_id
        return self._bound().amend(client_id, exact(size), exact(price), exact(stop))

    def close(self, instrument: str, *, position: str = "net", note: str = "close") -> Order | None:
        """Close what it holds of this at the market, never more; None where it holds nothing."""
        held = self._bound().stand(instrument, position).size
        if not held:
            return None
        side = "sell" if held > 0 else "buy"
        return self.order(side, instrument, held.copy_abs(), reduce_only=True, position=position, note=note)

    # ---- looking --------------------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """The time, in UTC nanoseconds: in a backtest the time of the market."""
        return self._bound().now_ns

    @property
    def positions(self) -> dict[str, Stand]:
        """What this strategy holds, by instrument; what it holds nothing of is left out.

        In hedge mode the two sides of one stand apart, as `venue:symbol long` and `venue:symbol short`; what a second
        account holds of the same as `venue:symbol of ACCOUNT`.
        """
        return self._bound().stands()

    def position(self, instrument: str, position: str = "net") -> Decimal:
        """The size it holds: negative is short. Dust, which no order can be for, counts as nothing."""
        return self._bound().stand(instrument, position).size

    def orders(self, instrument: str | None = None) -> list[Order]:
        """Its orders that are not final."""
        return self._bound().orders(instrument)

    def balance(self, currency: str, account: str = "") -> Money:
        """What the account holds of a currency."""
        return self._bound().money(currency, account or self.account)

    def equity(self, currency: str, account: str = "") -> Decimal:
        """What the account is worth in this currency, open positions at the last price."""
        return self._bound().equity(currency, account or self.account)

    def price(self, instrument: str) -> Decimal | None:
        """The last price; None before there was one."""
        return self._bound().price(instrument)

    def quote(self, instrument: str) -> Quote | None:
        """The last best bid and offer; None where none was heard."""
        return self._bound().quote(instrument)

    def book(self, instrument: str) -> BookView:
        """The maintained book. Raises ConfigError where none is kept."""
        return self._bound().book(instrument)

    def bars(self, instrument: str, interval: str, count: int) -> list[Bar]:
        """The last `count` closed bars, oldest first; fewer where there are not so many yet."""
        return self._bound().bars(instrument, interval, count)

    def instrument(self, instrument: str) -> Instrument:
        """Tick, lot, units and status."""
        return self._bound().instrument(instrument)

    def proven(self, instrument: str, *, last_s: float = 3600.0, channel: str = "trades") -> bool:
        """Whether every event of the last so many seconds is proven to be there."""
        return self._bound().proven(instrument, channel, round(last_s * 1e9))

    def after(self, seconds: float, call: str | Callable[[], object]) -> int:
        """Call a function, or `on_timer` with this name, once. Gives the timer's number, for `forget`."""
        return self._bound().after(round(seconds * 1e9), call, 0)

    def every(self, seconds: float, call: str | Callable[[], object]) -> int:
        """The same, again and again; no more often than each millisecond."""
        again_ns = round(seconds * 1e9)
        return self._bound().after(again_ns, call, again_ns or 1)  # with none at all it would ring but once

    def forget(self, timer: int) -> None:
        """End a timer."""
        self._bound().forget(timer)

    def note(self, text: str) -> None:
        """Write a line into the journal."""
        self._bound().note(text)

    def bind(self, desk: Desk) -> None:
        """The engine takes it up."""
        self._desk = desk

    def _bound(self) -> Desk:
        if self._desk is None:
            raise RuntimeError(f"strategy {self.name} does not run yet: act and look in on_start or later")
        return self._desk


class Plain(Strategy):
    """A function as a strategy: `function(strategy, event)` is called for every event of its feeds."""

    def __init__(self, function: Callable[[Strategy, Any], object], **settings: Any) -> None:
        settings.setdefault("name", getattr(function, "__name__", "function"))
        super().__init__(**settings)
        self._function = function

    def on_trade(self, trade: Trade) -> None:
        """Hand over."""
        self._function(self, trade)

    def on_quote(self, quote: Quote) -> None:
        """Hand over."""
        self._function(self, quote)

    def on_bar(self, bar: Bar) -> None:
        """Hand over."""
        self._function(self, bar)

    def on_book(self, book: BookView) -> None:
        """Hand over."""
        self._function(self, book)

    def on_event(self, event: Any) -> None:
        """Hand over."""
        self._function(self, event)


def _kind(price: object, stop: object, take_profit: object, trail: object) -> str:
    if (stop is not None) + (take_profit is not None) + (trail is not None) > 1:
        raise ValueError("an order has one of stop, take_profit and trail; two of them are an oco or a bracket")
    if trail is not None:
        return "trailing_stop"
    waits = "stop" if stop is not None else "take_profit" if take_profit is not None else ""
    if not waits:
        return "market" if price is None else "limit"
    return waits if price is None else f"{waits}_limit"
