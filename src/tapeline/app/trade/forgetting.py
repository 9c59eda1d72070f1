"""A run of weeks keeps hours of what is over: now and then it tells the engine, and so the journal, what to forget."""

from collections.abc import Callable, Iterator, Sequence

from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.forgetting import forgettable
from tapeline.trading.input import Forget
from tapeline.trading.orders import Blotter

SHARE = 24  # of the time that things are kept: so often it is looked what may go, and so much more is kept than asked
MOST_ORDERS = 5_000  # at once: the engine decides on nothing else meanwhile


class Forgetting:
    """`settled_ns` says of an account up to when its books are certain, 0 for never: nothing from before is missing.

    What was over `keep_ns` before that is forgotten.
    """

    def __init__(self, blotter: Blotter, ledger: Ledger, settled_ns: Callable[[str], int], keep_ns: int) -> None:
        self._blotter, self._ledger, self._settled_ns, self._keep_ns = blotter, ledger, settled_ns, keep_ns
        self._done_ns: dict[str, int] = {}  # account -> up to when all of it was forgotten in this run

    def look(self, accounts: Sequence[str], now_ns: int) -> Iterator[Forget]:
        """What is to be forgotten now: offer it to the engine before the next look."""
        for account in accounts:
            before_ns = self._settled_ns(account) - self._keep_ns
            if before_ns < self._done_ns.get(account, 1) + self._keep_ns // SHARE:
                continue
            found = forgettable(self._blotter, account, before_ns, now_ns, most=MOST_ORDERS)
            if len(found.orders) + len(found.foreign) < MOST_ORDERS:
                self._done_ns[account] = before_ns
            if found.orders or found.foreign or self._ledger.remembers(account):
                yield found
