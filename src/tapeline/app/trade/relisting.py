"""The instrument lists of venues that are traded on: orders go by what they say now, not by what they said."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Never

import msgspec

from tapeline.app.instance import Instance
from tapeline.app.relisting import CHANGES_SHOWN, ListState, Relisting
from tapeline.app.running import supervised
from tapeline.app.venue import VenueDesk
from tapeline.clock import Clock
from tapeline.model.account import OrderUpdate
from tapeline.model.instrument import Instrument, split_id
from tapeline.trading.input import Failed
from tapeline.trading.record import Listed
from tapeline.trading.situation import Situation
from tapeline.trading.terms import differences, relisted

OF_TERMS = frozenset({"tick", "lot", "min_size", "max_size", "min_notional", "instrument", "market_closed"})
"""Reasons of a venue's refusal that our list may be too old for."""
SOON_S = 5.0  # after such a refusal: a venue that changes something refuses more than one order
SOON_AGAIN_S = 600.0  # from one reading to the next, however much is refused


class TradedList:
    """One venue's list, as a run trades by it. `offer` is for the engine, and gets what is new of what it trades."""

    def __init__(
        self, desk: VenueDesk, situation: Situation, *, every_s: float, clock: Clock, offer: Callable[[Listed], None],
        keep: Callable[[Iterable[Instrument]], None], problem: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._venue, self._situation, self._every_s, self._clock = desk.venue.name, situation, every_s, clock
        self._offer = offer
        self._asked = asyncio.Event()
        self._read_at = clock.now()  # the list that the run began with
        self._relisting = Relisting(desk, clock=clock, keep=keep, problem=problem, taken=self._taken)
        self.changes: list[dict[str, Any]] = []  # of what is traded, the last ones

    @property
    def state(self) -> ListState:
        """How the list stands."""
        return self._relisting.state

    async def run(self) -> Never:
        """Until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._asked.wait()
                    await asyncio.sleep(SOON_S)
            self._asked.clear()
            self._read_at = self._clock.now()
            await self._relisting.read()

    def soon(self) -> None:
        """It may be old: a venue has refused what is right by it. Once; the next time only after a while."""
        if self._clock.now() - self._read_at >= min(SOON_AGAIN_S, self._every_s):
            self._asked.set()

    def _taken(self, listed: Mapping[str, Instrument], now_ns: int) -> None:
        for name in self._situation.setup.instruments:
            if split_id(name)[0] != self._venue:
                continue
            known = self._situation.known(name)
            change = relisted(known, listed.get(name))
            if change is not None:
                said = differences(known, change.instrument) + (f": {change.why}" if change.why else "")
                self.changes.append({"instrument": name, "changed": said, "at_ns": now_ns})
                del self.changes[:-CHANGES_SHOWN]
                self._offer(Listed(change.instrument, now_ns, change.why))


class Relistings:
    """Those of every venue of a run; none where `every_s` is 0."""

    def __init__(
        self, instance: Instance, situation: Situation, *, every_s: float, clock: Clock,
        offer: Callable[[Listed], None], keep: Callable[[Iterable[Instrument]], None],
    ) -> None:  # fmt: skip
        self._situation = situation
        self.venues: dict[str, TradedList] = {}
        for venue in {split_id(name)[0]: None for name in situation.setup.instruments} if every_s else {}:
            desk = next(each for each in instance.desks.values() if each.venue.name == venue)

            def problem(kind: str, text: str, venue: str = venue) -> None:
                instance.problems.note(venue, "", kind, text, b"")

            self.venues[venue] = TradedList(
                desk, situation, every_s=every_s, clock=clock, offer=offer, keep=keep, problem=problem
            )

    def begin(self, tasks: asyncio.TaskGroup, instance: Instance) -> list[asyncio.Task[None]]:
        """Let them run, a fault of theirs told and contained."""
        return [
            tasks.create_task(supervised("instruments", each.run, instance), name=f"instruments of {venue}")
            for venue, each in self.venues.items()
        ]

    def heard(self, event: Any) -> None:
        """News of an order: one that is refused for the terms of its instrument makes the list worth reading."""
        name = self._refused(event)
        if name:
            traded = self.venues.get(split_id(name)[0])
            if traded is not None:
                traded.soon()

    def statistics(self) -> dict[str, Any]:
        """For status: how each list stands, and what changed lately of what is traded."""
        every = self.venues.values()
        changes = [change for each in every for change in each.changes]
        return {
            "lists": [msgspec.structs.asdict(each.state) for each in every],
            "changes": sorted(changes, key=lambda each: int(each["at_ns"])),
        }

    def _refused(self, event: Any) -> str:
        """The instrument of an order that the venue has refused for its terms; "" where that is not so."""
        if isinstance(event, OrderUpdate):
            return (event.instrument or "") if event.state == "rejected" and event.reason in OF_TERMS else ""
        if isinstance(event, Failed) and event.outcome == "refused" and event.reason in OF_TERMS:
            order = self._situation.blotter.order(event.client_id)
            return "" if order is None else order.intent.instrument
        return ""
