"""What of a run is over for good, and forgotten in the engine and in the journal's playback alike. Pure.

A run of weeks must not grow with all that it ever did. What may be forgotten is decided once, and written down as a
`Forget`: whoever plays the journal or a recording drops the same at the same place.
"""

from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.accounting.once import NEAR_NS
from tapeline.trading.input import Forget
from tapeline.trading.orders import Blotter


def forgettable(blotter: Blotter, account: str, before_ns: int, now_ns: int, most: int) -> Forget:
    """What of an account was over before then, by the venue's clock; our clock may differ from it by a minute.

    Nothing that happened before `before_ns` may be missing from our figures: the venue and we have agreed since.
    At most so many orders, the oldest first; the next call gives the rest.
    """
    orders, foreign = blotter.over(account, before_ns - NEAR_NS)
    return Forget(account, before_ns, now_ns, orders[:most], foreign[: max(0, most - len(orders))])


def forget(what: Forget, blotter: Blotter, ledger: Ledger) -> int:
    """Drop it; how many orders went."""
    ledger.forget(what.account, what.before_ns)
    return blotter.forget(what)
