"""Every exception Tapeline raises, sorted by what the caller should do.

TapelineError
 |- Retry         transient: try again, after `after_s` where the venue said so
 |   |- ConnectionLost   the socket could not be opened, or ended
 |   |   |- Unsent       it could not be opened: nothing of the request has left us
 |   |- TimedOut         no answer before the deadline
 |   |- RateLimited      the venue asked us to slow down
 |   |- StoreBehind      rows wait for the disk: what it does not hold yet cannot be read
 |   |- ClockWrong       our stamps are off: measure the venue's clock, then try again
 |   |- OutcomeUnknown   nobody knows what became of an order: ask the venue, never send it again as new
 |- Refused       the venue (or the store) said no: asking again the same way will not help
 |   |- SubscriptionRefused
 |   |- AuthenticationRefused
 |   |- UnknownInstrument
 |   |- OrderRefused     a definite no to an order, an amend or a cancel; `reason` says why in our words
 |   |- NotHeld          the store does not hold what was asked for
 |   |- NotProven        the store cannot prove that nothing is missing in what was asked for
 |   |- StoreLocked      another instance writes this store
 |   |- StoreTooNew      the store was written by a later version
 |   |- StoreClosed      the store or archive was closed: open it again
 |   |- StoreUnusable    the store's files cannot be opened: damaged, not ours to write, no room
 |- BadData       bytes that do not mean what they should: skip them, count them, go on
 |   |- Impossible       well-formed, but no market can have produced it (high < low, a negative size)
 |- Unsynchronised  a book that cannot be trusted right now; carries the reason and the age
 |- Broken        a bug of ours
 |- ConfigError   the configuration or the command line is wrong; the message names the nearest right word

Expected facts (a gap, a stale delta, a denied order) are values, not exceptions.
"""


class TapelineError(Exception):
    """Root of everything Tapeline raises on purpose."""


class Retry(TapelineError):
    """Transient. `after_s` is the venue's own Retry-After in seconds, None where it gave none."""

    def __init__(self, message: str, *, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class ConnectionLost(Retry):
    """The connection could not be opened, or ended. `code` is the WebSocket close code where there was one."""

    def __init__(self, message: str, *, after_s: float | None = None, code: int | None = None) -> None:
        super().__init__(message, after_s=after_s)
        self.code = code


class Unsent(ConnectionLost):
    """The connection could not be opened: nothing of the request has left us, so that the venue knows nothing of it."""


class TimedOut(Retry):
    """No answer before the deadline."""


class RateLimited(Retry):
    """The venue asked us to slow down."""


class StoreBehind(Retry):
    """Rows wait for the disk (full, slow, locked): what the store does not hold yet cannot be read."""


class ClockWrong(Retry):
    """The venue did not accept our time stamp: fix the clock (measure its offset again), then try again once."""


class OutcomeUnknown(Retry):
    """The venue may have acted on an order, or not. Ask for it by its client id; it is never sent again as new."""


class Refused(TapelineError):
    """The venue said no. `code` is the venue's own code, "" where it has none."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class SubscriptionRefused(Refused):
    """The venue will not stream this topic."""


class AuthenticationRefused(Refused):
    """The venue did not accept the key."""


class UnknownInstrument(Refused):
    """No venue list knows this symbol. The message names the nearest that exist."""


class OrderRefused(Refused):
    """The venue said no to an order, an amend or a cancel. `reason` is one of `model.order.REASONS`."""

    def __init__(self, message: str, *, code: str = "", reason: str = "other") -> None:
        super().__init__(message, code=code)
        self.reason = reason


class NotHeld(Refused):
    """The store does not hold what was asked for. The message names what it does hold."""


class NotProven(Refused):
    """What was asked for is not proven to be whole. `missing` are the half-open ranges of event time that are not."""

    def __init__(self, message: str, *, missing: tuple[tuple[int, int], ...]) -> None:
        super().__init__(message)
        self.missing = missing


class StoreLocked(Refused):
    """Another instance writes this store. The message names its process id."""


class StoreTooNew(Refused):
    """The store was written by a later version of Tapeline."""


class StoreClosed(Refused):
    """The store, or the archive, was closed before this read: open it again."""


class StoreUnusable(Refused):
    """A store or an archive is of no use: damaged, not ours to write, without room. The message says what to do."""


class BadData(TapelineError):
    """Bytes that do not mean what they should. `kind` is a short word to count by."""

    def __init__(self, message: str, *, kind: str = "bad_value") -> None:
        super().__init__(message)
        self.kind = kind


class Impossible(BadData):
    """Well-formed, but no market can have produced it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="impossible")


class Unsynchronised(TapelineError):
    """The book cannot be trusted right now. `age_s` is how long ago it last could, None where it never could."""

    def __init__(self, message: str, *, reason: str, age_s: float | None) -> None:
        super().__init__(message)
        self.reason = reason
        self.age_s = age_s


class Broken(TapelineError):
    """A bug of ours. Please report it with the message."""


class ConfigError(TapelineError):
    """The configuration or the command line is wrong."""
