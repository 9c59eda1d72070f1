"""What goes into the engine besides market and account events: timers, operators, the outcome of commands."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec


class Timer(msgspec.Struct, frozen=True, tag="timer"):
    """A time a strategy or an emulated order asked for has come. `at_ns` is when it was due."""

    name: str
    at_ns: int
    strategy: str = ""


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """The bytes of a command left us: `what` is submit | amend | cancel. Until an answer comes the outcome is open."""

    client_id: str
    what: str
    at_ns: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A command had no good answer: `outcome` is refused (a definite no) | unknown | unsent (nothing left us)."""

    client_id: str
    what: str  # submit | amend | cancel
    outcome: str
    at_ns: int
    why: str = ""
    reason: str = ""  # one of model.order.REASONS


class Operator(msgspec.Struct, frozen=True, tag="operator"):
    """A person's word: halt | reduce_only | flatten | resume | claim | accept | pause | unpause | limits."""

    action: str
    account: str
    who: str
    why: str
    at_ns: int
    value: str = ""  # an order's id to claim, a strategy to pause, new limits as JSON


class Halted(msgspec.Struct, frozen=True, tag="halted"):
    """The latch of an account now stands at `state`: running | reduce_only | halted | flattening | flat.

    `prices`, of one that is flat: what strategies' holdings were worth then, by instrument, as far as anybody knew.
    """

    account: str
    state: str
    why: str
    at_ns: int
    prices: Mapping[str, Decimal] = {}


class Healthy(msgspec.Struct, frozen=True, tag="healthy"):
    """A health check changed: `state` is ok | warn | fail; `instrument` "" where it concerns all."""

    check: str
    state: str
    text: str
    at_ns: int
    instrument: str = ""


class Proven(msgspec.Struct, frozen=True, tag="proven"):
    """[from_ns, to_ns) of a series is proven to be whole: nothing of it is missing. Said anew as it grows."""

    instrument: str
    channel: str
    from_ns: int
    to_ns: int
    at_ns: int


class ClockOff(msgspec.Struct, frozen=True, tag="clock_off"):
    """How far our clock is from a venue's, once that is measured and corrected for."""

    venue: str
    offset_s: float
    at_ns: int


class Reduced(msgspec.Struct, frozen=True, tag="reduced"):
    """What a strategy holds became smaller, and no order of its own did it: `size` is the signed change, `left` what it
    holds now. `why`: an emergency stop, a liquidation, a person's trade, or the venue's figure; `price` None for that.

    Nothing that goes into the engine: strategies are told of it.
    """

    account: str
    instrument: str
    position: str
    size: Decimal
    left: Decimal
    price: Decimal | None
    why: str
    at_ns: int


class Forget(msgspec.Struct, frozen=True, tag="forget"):
    """What of an account is over for so long that nothing comes of it any more; see `trading.forgetting`.

    `orders` are ours, by client id; `foreign` those of other origin, by instrument and the venue's id. What the venue
    stamped before `before_ns` needs not be remembered: it is known.
    """

    account: str
    before_ns: int
    at_ns: int
    orders: tuple[str, ...] = ()
    foreign: tuple[tuple[str, str], ...] = ()


EngineInput = Timer | Sent | Failed | Operator | Halted | Healthy | Proven | ClockOff | Forget
