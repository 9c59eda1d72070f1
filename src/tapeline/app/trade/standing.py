"""How accounts stand by their latches when a run begins: at once, but for what waits until the books are compared."""

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from tapeline.app.trade.gate import Gate
from tapeline.app.trade.status import left_by_others
from tapeline.trading.engine import Engine
from tapeline.trading.halt import was_flat_since
from tapeline.trading.input import Halted
from tapeline.trading.restore import Restored

_log = structlog.get_logger("tapeline")
RESUMED = frozenset({"running", "reduce_only", "halted"})


class Standing:
    """It is put into the books, and into the journal by `write`, without a step: no strategy was told otherwise.

    An account that an emergency stop left flat, and that a person has resumed while no engine ran, is flat to its books
    until they have been compared with the venue once: only then are the stop's own fills in them, and what strategies
    held against each other is closed, as it is where an engine listens.
    """

    def __init__(
        self, engine: Engine, gates: Mapping[str, Gate], restored: Restored, *, write: Callable[[Any], None],
        now_ns: Callable[[], int],
    ) -> None:  # fmt: skip
        self._engine, self._gates, self._restored = engine, gates, restored
        self._write, self._now_ns = write, now_ns
        self._resumed: set[str] = set()  # flat to their books, and not by their latch

    def begin(self) -> None:
        """Before anything is asked of a venue."""
        for strategy, held in left_by_others(self._engine).items():
            _log.warning("held by a strategy that is not in this run", strategy=strategy, positions=held)
        for name, gate in self._gates.items():
            latch, known = gate.latch(), self._restored.halts.get(name, "running")
            was_flat = known == "flat" or was_flat_since(latch, self._restored.listened_ns(name))
            if was_flat and latch.state in RESUMED:
                self._resumed.add(name)
                self._tell(name, "flat", "as the latch stood while no engine ran")
            elif latch.state != known or latch.state != "running":
                self._tell(name, latch.state, "as the latch stood at the start")

    def compared(self, name: str) -> None:
        """The books of this account are the venue's. To be called for one that no venue keeps, too."""
        if name in self._resumed:
            self._resumed.remove(name)
            latch = self._gates[name].latch()
            if self._engine.halt(name) == "flat" != latch.state:  # else its gate has told of a change since
                self._tell(name, latch.state, f"{latch.who}: {latch.why}")

    def _tell(self, name: str, state: str, why: str) -> None:
        # Not before the latch's own stamp: what comes after this was not heard, see `listened_ns`.
        at_ns = max(self._now_ns(), self._gates[name].latch().at_ns)
        halted = self._engine.priced(Halted(name, state, why, at_ns))
        self._engine.stands(halted)
        self._write(halted)
