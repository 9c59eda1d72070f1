"""What the blotter gives: what news changed, what is lacking, and all of it as a memo. Values. Pure."""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from tapeline.model.account import Fill
from tapeline.model.order import Order
from tapeline.trading.accounting.once import Once
from tapeline.trading.command import Note
from tapeline.trading.life import Life

Place = tuple[str, str]  # account, instrument
Named = tuple[str, str, str]  # account, instrument, the venue's id


class Applied(msgspec.Struct, frozen=True):
    """What a piece of news changed: orders as they are now, and what was odd about it.

    `fill` is "new" | "fee" (only its fee is news) | "known" | "" where the news was no fill. `order` is whose news it
    was, changed or not; None for a fill of an order that nobody told us of.
    """

    orders: tuple[Order, ...] = ()
    notes: tuple[Note, ...] = ()
    fill: str = ""
    order: Order | None = None


class Lack(NamedTuple):
    """`size` of an order is filled by the venue's word, and the fills are not here; since when we know."""

    order: Order
    size: Decimal
    since_ns: int


class BlotterMemo(msgspec.Struct):
    """All of a blotter: every order once in `lives`, and in the order of its tables by what each is found there."""

    counter: int
    forgotten: int
    lives: list[Life]
    ours: dict[str, int]
    foreign: dict[Named, int]
    by_venue_id: dict[Named, int]
    counting: dict[Place, list[int]]
    lists: dict[str, list[int]]
    once: Once
    loose: dict[Named, list[Fill]]
