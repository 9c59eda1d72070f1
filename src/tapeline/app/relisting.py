"""A venue's instrument list, read again while a run goes on: venues list anew, change ticks and delist."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Never

import msgspec
import structlog
from msgspec.structs import replace

from tapeline.app.instance import Instance
from tapeline.app.listing import read_list, said_of
from tapeline.app.venue import VenueDesk
from tapeline.clock import Clock
from tapeline.errors import BadData, Refused, Retry
from tapeline.model.instrument import Instrument
from tapeline.trading.terms import GONE, IDENTITY, TERMS, differences, lacking
from tapeline.venues.spec import Unreadable

WITHIN_S = 600.0  # behind everything else that is asked
CHANGES_SHOWN = 20
_log = structlog.get_logger("tapeline")


def _nobody(_listed: Mapping[str, Instrument], _now_ns: int) -> None:
    """Nobody trades on it."""


class ListState(msgspec.Struct):
    """How the list of a venue stands: `trouble` is why the last reading was not taken over, "" where it was."""

    venue: str
    instruments: int
    read_at_ns: int
    readings: int = 0
    failed: int = 0
    trouble: str = ""


class Relisting:
    """One venue's list. `keep` writes what is new of it; `taken` hears of all that is listed now by id, and when.

    What cannot be read, or cannot be the whole list, changes nothing.
    """

    def __init__(
        self, desk: VenueDesk, *, clock: Clock, keep: Callable[[Iterable[Instrument]], None],
        problem: Callable[[str, str], None], taken: Callable[[Mapping[str, Instrument], int], None] = _nobody,
    ) -> None:  # fmt: skip
        self._desk, self._clock = desk, clock
        self._keep, self._problem, self._taken = keep, problem, taken
        self.state = ListState(desk.venue.name, len(desk.symbols.by_native), clock.wall_ns())

    async def read(self) -> None:
        """Once; what is new of it holds from then on. A list that is not to be had is told, and nothing changes."""
        self.state.readings += 1
        try:
            async with asyncio.timeout(WITHIN_S):
                listed, unreadable = await read_list(self._desk.rest, self._desk.venue)
        except (Retry, BadData, Refused, TimeoutError) as error:
            self._not_taken(str(error) or f"no answer within {WITHIN_S:g} s")
            return
        found = {each.id: each for each in listed}
        bad = self._as_before(found, unreadable)
        why = lacking(self._desk.symbols.by_native.values(), found, self._clock.wall_ns())
        if why:
            self._not_taken(why)
            return
        self._take(found)
        if bad:
            self._not_taken(f"for {said_of(bad)}")

    # ---- within --------------------------------------------------------------------------------------------------

    def _not_taken(self, why: str) -> None:
        self.state.failed += 1
        self.state.trouble = why
        self._problem("instruments", f"what was listed before holds: {why}")

    def _as_before(self, found: dict[str, Instrument], unreadable: Sequence[Unreadable]) -> list[Unreadable]:
        """What is listed in rows that mean nothing, and was before, is as it was; those rows, of what is known.

        Where a row does not say its name it may be of any that is missing: then none of these is gone.
        """
        known = self._desk.symbols.by_native
        bad = [each for each in unreadable if each.native in known or not each.native]
        missing = known.values() if any(not each.native for each in bad) else [known[each.native] for each in bad]
        for each in missing:
            found.setdefault(each.id, each)
        return bad

    def _take(self, found: Mapping[str, Instrument]) -> None:
        symbols, now_ns = self._desk.symbols, self._clock.wall_ns()
        gone = [
            replace(each, status=GONE)
            for each in symbols.by_native.values()
            if each.id not in found and each.status != GONE
        ]
        changed = [*symbols.learn(found.values()), *symbols.learn(gone)]
        self._keep(changed)
        self.state.instruments, self.state.read_at_ns, self.state.trouble = len(found), now_ns, ""
        self._taken(found, now_ns)


class RunLists:
    """The lists of all venues that a run streams, read once every `every_s`; what is new of what it streams is told."""

    def __init__(
        self, instance: Instance, *, every_s: float, clock: Clock, keep: Callable[[Iterable[Instrument]], None]
    ) -> None:
        self._instance, self._every_s, self._clock, self._keep = instance, every_s, clock, keep
        self._of: dict[VenueDesk, Relisting] = {}
        self._changes: list[dict[str, Any]] = []

    async def run(self) -> Never:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            for desk in list(self._instance.desks.values()):
                await self._read(desk)

    def statistics(self) -> dict[str, Any]:
        """For status: how each list stands that was read again, and what changed lately of what is streamed."""
        return {"lists": [msgspec.structs.asdict(each.state) for each in self._of.values()], "changes": self._changes}

    async def _read(self, desk: VenueDesk) -> None:
        streamed = {track.instrument for track in desk.merge}
        before = _by_id(desk)
        await self._relisting(desk).read()
        after, now_ns = _by_id(desk), self._clock.wall_ns()
        for name in sorted(streamed & before.keys()):
            said = differences(before[name], after[name], (*IDENTITY, *TERMS))
            if said:
                _log.warning("instrument", instrument=name, changed=said)
                self._changes.append({"instrument": name, "changed": said, "at_ns": now_ns})
        del self._changes[:-CHANGES_SHOWN]

    def _relisting(self, desk: VenueDesk) -> Relisting:
        if desk not in self._of:

            def problem(kind: str, text: str) -> None:
                self._instance.problems.note(desk.venue.name, "", kind, text, b"")

            self._of[desk] = Relisting(desk, clock=self._clock, keep=self._keep, problem=problem)
        return self._of[desk]


def _by_id(desk: VenueDesk) -> dict[str, Instrument]:
    return {each.id: each for each in desk.symbols.by_native.values()}
