"""What an instance keeps on disk: which events go to the store, which frames to the tape, and what a restart finds."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tapeline.app.bookkeeping import Bookkeeping
from tapeline.app.instance import Instance
from tapeline.clock import Clock
from tapeline.config import Config
from tapeline.control import socket_path
from tapeline.errors import NotHeld
from tapeline.model.channel import Channel, channel
from tapeline.model.event import Bar, Event, Gap, Link, Notice, Status
from tapeline.model.instrument import Instrument
from tapeline.store.reader import open_store
from tapeline.store.series import PointRow
from tapeline.store.tape_writer import TapeWriter
from tapeline.store.writer import StoreWriter
from tapeline.wire.continuity import Point
from tapeline.wire.pipe import Response

ALWAYS_KEPT = (Gap, Link, Notice, Status)
ON_TAPE_ONLY = frozenset({"quotes", "book"})  # fast channels: their raw frames are the record
STOP_WITHIN_S = 10.0


class Keeping:
    """The store's writer and the tape of one run."""

    def __init__(self, config: Config, clock: Clock, *, writes: type[StoreWriter] = StoreWriter) -> None:
        folder = config.store.folder
        assert folder is not None, "a run without a store has nothing to keep"
        self.folder: Path = folder
        self._clock = clock
        self._wanted = _wanted(config)
        self.writer = writes(
            folder, batch_size=config.store.batch_size, batch_timeout_s=config.store.batch_timeout_s,
            prompt=config.store.flush == "fast",
            queue_bytes=config.store.queue_bytes, clock=clock,
        )  # fmt: skip
        self.tape: TapeWriter | None = None
        if _tape_wanted(config, self._wanted):
            self.tape = TapeWriter(folder / "tape", segment_bytes=int(config.store.tape_segment_mb * 2**20))
        self.ledger = Bookkeeping(self.writer.offer)
        self.points = self._left_by_an_earlier_run()
        self._written: dict[tuple[str, str], Point] = {}
        self.socket = socket_path(folder, os.environ)

    def start(self) -> None:
        """Take the lock and begin to write. Raises StoreLocked, StoreTooNew."""
        self.writer.start(str(self.socket))
        if self.tape is not None:
            self.tape.start()

    def write_points(self, instance: Instance) -> None:
        """Note how far each series has come and what is proven of it, where that has moved."""
        self.ledger.write()
        for (instrument, of), point in instance.points().items():
            if self._written.get((instrument, of)) != point:
                self._written[instrument, of] = point
                self.writer.offer(PointRow(instrument, of, point.at_ns, point.received_ns, point.seq))

    def attach(self, instance: Instance) -> None:
        """Let what is to be kept flow to the writer."""
        offer = self.writer.offer
        self.ledger.attach(instance.bus, self._wanted)
        instance.bus.subscribe(offer, types=ALWAYS_KEPT, name="tapeline.store")
        for of in sorted(self._wanted, key=str):
            if of.kind == "bars":
                instance.bus.subscribe(self._bar, channel=str(of), types=(Bar,), name="tapeline.store")
            elif of.kind not in ON_TAPE_ONLY:
                instance.bus.subscribe(offer, channel=str(of), name="tapeline.store")

    def instruments(self, found: Iterable[Instrument]) -> None:
        """Keep the instrument list, by versions."""
        for instrument in found:
            self.writer.offer(instrument)

    def answered(self, method: str, url: str, response: Response, at_ns: int) -> None:
        """An HTTP answer for the tape."""
        if self.tape is not None:
            self.tape.answer(method, url, response.status, response.body, at_ns)

    def statistics(self) -> dict[str, Any]:
        """For status."""
        parts: dict[str, Any] = {"store": self.writer.statistics()}
        if self.tape is not None:
            parts["tape"] = self.tape.statistics()
        return parts

    def flush(self) -> bool:
        """Wait until everything is on disk; False where it was not in time."""
        return self.writer.flush(STOP_WITHIN_S)

    @property
    def whole(self) -> bool:
        """After `stop`: whether every row that was handed over is on disk, or its loss on record."""
        return not self.writer.statistics().queue_rows

    def stop(self) -> None:
        """Flush and close both, within a bounded time."""
        self.writer.stop(STOP_WITHIN_S)
        if self.tape is not None:
            self.tape.stop(STOP_WITHIN_S)

    def _left_by_an_earlier_run(self) -> dict[tuple[str, str], Point]:
        """The last good point of every series: what a restart announces the hole after. The ledger goes on from it."""
        try:
            with open_store(self.folder) as store:
                self.ledger.load(store)
                return {
                    (point.instrument, point.channel): Point(point.at_ns, point.received_ns, point.seq)
                    for point in store.points()
                }
        except NotHeld:
            return {}

    def _bar(self, bar: Event) -> None:
        if isinstance(bar, Bar) and bar.closed:
            self.writer.offer(bar)


def _wanted(config: Config) -> set[Channel]:
    """Every channel that is asked for, with the trades that built bars come from."""
    asked = {channel(text) for stream in config.stream for text in stream.channels}
    return asked | {of.wire for of in asked}


def _tape_wanted(config: Config, wanted: set[Channel]) -> bool:
    if config.store.tape is not None:
        return config.store.tape
    return any(of.kind in ON_TAPE_ONLY for of in wanted)
