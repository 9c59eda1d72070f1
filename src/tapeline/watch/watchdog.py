"""A process of its own that halts an engine's accounts when the engine's heartbeat stops. It has no engine in it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from tapeline.clock import Clock
from tapeline.watch.heartbeat import Beat, age_s, boot_id, last_beat
from tapeline.watch.report import Report

LOOK_S = 1.0
_log = structlog.get_logger("tapeline.watchdog")


@dataclass(slots=True, kw_only=True)
class Watchdog:
    """Watches the engine of one store. `act(why)` stops its accounts and reports; `told` hears of every report."""

    folder: Path
    limit_s: float
    clock: Clock
    act: Callable[[str], Awaitable[list[Report]]]
    told: Callable[[list[Report]], None] = lambda _reports: None
    boot: str = field(default_factory=boot_id)
    _last: Beat | None = None
    _acted_on: Beat | None = None
    _said: str = ""

    async def run(self) -> None:
        """Until cancelled. It outlives the engine and waits for the next one."""
        while True:
            why = self.look()
            if why:
                _log.error("the engine's heartbeat has stopped", store=str(self.folder), why=why)
                reports = await self.act(why)
                self.told(reports)
                if all(report.done or report.mode == "paper" for report in reports):  # paper ends with its engine
                    self._acted_on = self._last  # else once more, until the venue's word is that nothing is open
            await asyncio.sleep(LOOK_S)

    def look(self) -> str:
        """Why the accounts are to be halted now; "" where there is no reason."""
        found = last_beat(self.folder)
        if found is not None:
            self._last = found  # a file that cannot be read is no beat: the last one grows older
        beat = self._last
        if beat is None:
            return self._say("waits: no engine has traded from this store yet")
        if beat == self._acted_on:
            return self._say("has halted the accounts; waits for the engine")
        if beat.ended:
            return self._say("waits: the engine has ended in order")
        old_s = age_s(beat, self.clock, self.boot)
        if old_s <= self.limit_s:
            return self._say("watches: the engine lives")
        if beat.boot != self.boot:
            return f"the machine was started anew, and the engine (process {beat.pid}) had not ended in order"
        return f"the engine (process {beat.pid}) has not said for {old_s:.0f} s that it lives"

    def _say(self, what: str) -> str:
        if what != self._said:
            self._said = what
            _log.info("watchdog", store=str(self.folder), state=what)
        return ""
