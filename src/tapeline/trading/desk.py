"""What a strategy sees of the engine: its desk, and the values it reads there."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from tapeline.model.event import Bar, BookDelta, BookSnapshot, Quote
from tapeline.model.instrument import Instrument
from tapeline.model.number import ZERO
from tapeline.model.order import Intent, Order


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """Trade only on data that are proven: every trade of the last `last_s` seconds is there, by the venue's own ids.

    While they are not, the strategy may close positions and cancel, nothing else. `channel` is what is asked about.
    """

    last_s: float = 3600.0
    channel: str = "trades"


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """What an account holds of a currency; `free` is what orders may use."""

    total: Decimal
    free: Decimal


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy holds of an instrument: negative is short. `entry_price` is None where it holds nothing.

    `dust` is what is held besides and no order can be for: less than a lot, or than the least that may be sold.
    """

    size: Decimal
    dust: Decimal = ZERO
    entry_price: Decimal | None = None
    realised: Decimal = ZERO


class BookView(Protocol):
    """A maintained book, as a strategy reads it."""

    @property
    def instrument(self) -> str:
        """Whose book it is."""
        ...

    @property
    def synchronised(self) -> bool:
        """Whether it can be read now."""
        ...

    def top(self, count: int) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """(bids, asks), at most `count` (price, size) a side, best first. Raises Unsynchronised."""
        ...


class Desk(Protocol):
    """Where a strategy's words go: the engine's side of it."""

    @property
    def now_ns(self) -> int:
        """The time."""
        ...

    def place(self, intent: Intent) -> Order:
        """An order; given back as it is afterwards, `withdrawn` where it was refused."""
        ...

    def place_together(self, intents: Sequence[Intent]) -> list[Order]:
        """Orders of which one ends the others."""
        ...

    def place_bracket(self, entry: Intent, take_profit: Decimal, stop: Decimal) -> Order:
        """An order, and with its fills two that close the position."""
        ...

    def cancel(self, client_id: str) -> None:
        """Cancel one."""
        ...

    def amend(
        self, client_id: str, size: Decimal | None, price: Decimal | None, stop: Decimal | None = None
    ) -> bool:  # fmt: skip
        """Change one; whether it was asked for."""
        ...

    def orders(self, instrument: str | None) -> list[Order]:
        """Those of this strategy that are not final."""
        ...

    def stand(self, instrument: str, position: str) -> Stand:
        """What it holds of this."""
        ...

    def stands(self) -> dict[str, Stand]:
        """All that it holds, by instrument."""
        ...

    def money(self, currency: str, account: str) -> Money:
        """What the account holds."""
        ...

    def equity(self, currency: str, account: str) -> Decimal:
        """What the account is worth."""
        ...

    def price(self, instrument: str) -> Decimal | None:
        """The last price."""
        ...

    def quote(self, instrument: str) -> Quote | None:
        """The last best bid and offer."""
        ...

    def book(self, instrument: str) -> BookView:
        """The maintained book."""
        ...

    def bars(self, instrument: str, interval: str, count: int) -> list[Bar]:
        """The last closed bars, oldest first."""
        ...

    def instrument(self, instrument: str) -> Instrument:
        """Tick, lot and units."""
        ...

    def proven(self, instrument: str, channel: str, last_ns: int) -> bool:
        """Whether nothing is missing."""
        ...

    def after(self, wait_ns: int, call: str | Callable[[], object], again_ns: int) -> int:
        """A timer; its number."""
        ...

    def forget(self, timer: int) -> None:
        """End a timer."""
        ...

    def note(self, text: str) -> None:
        """A line in the journal."""
        ...


class BookKeeper(Protocol):
    """Keeps books: what it is given is market data in order."""

    def apply(self, event: BookSnapshot | BookDelta, now_ns: int) -> BookView | None:
        """The book as it is now; None where readers see no change."""
        ...

    def lose(self, instrument: str, channel: str, why: str, now_ns: int) -> None:
        """Its stream is gone: readers get an error from now on, never stale levels."""
        ...
