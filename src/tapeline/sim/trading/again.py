"""A run of a trading day played again from its own inputs: the commands have to be the same, byte for byte."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tapeline.store.journal import Journal
from tapeline.store.snapshot import played
from tapeline.trading import memo
from tapeline.trading.engine import Engine
from tapeline.trading.recorded import Line, RecordedEngine, decode
from tapeline.trading.replay import Replay
from tapeline.trading.restore import Restored, restore
from tapeline.trading.setup import Setup
from tapeline.trading.strategy import Strategy


class Again:
    """What went into a run: what its journal gave, and each input as it would stand in a recording."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._memo, self._instance, self._begun_ns = b"", "", 0

    def restored(self, journal: Journal, now_ns: int, *, say: Callable[[str], object]) -> Restored:
        """The state that a journal gives; see `store.snapshot.restored`."""
        playback, _ = played(journal, say=say)
        self._memo, self._instance, self._begun_ns = memo.encode(playback.memo()), journal.instance, now_ns
        return playback.end(now_ns)

    def engine(self, setup: Setup, strategies: Sequence[Strategy], restored: Restored) -> RecordedEngine:
        """An engine that is listened to."""
        return RecordedEngine(setup, strategies, take=self._take, **_known(restored))

    def differs(self, setup: Setup, strategies: Sequence[Strategy]) -> str:
        """Play it to strategies that are made anew; the first difference in words, "" where there is none."""
        restored = restore((), self._instance, self._begun_ns, memo=memo.decode(self._memo))
        engine = Engine(setup, strategies, **_known(restored))
        found = Replay(engine, {**restored.instruments, **setup.instruments}).play(map(decode, self.lines))
        if found.difference is None:
            return ""
        each = found.difference
        return f"input {each.number}, {each.about}: recorded {each.recorded}, replayed {each.replayed}"

    def _take(self, *line: Any) -> None:
        self.lines.append(msgspec.json.encode(Line(len(self.lines) + 1, *line)))


def _known(restored: Restored) -> dict[str, Any]:
    return {
        "blotter": restored.blotter, "ledger": restored.ledger, "digest": restored.digest, "losses": restored.losses,
        "held": restored.held,
    }  # fmt: skip
