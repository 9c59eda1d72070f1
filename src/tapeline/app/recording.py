"""Record streams to tapes, without a store."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

from tapeline.app.instance import Instance, World
from tapeline.app.running import real_world_dial
from tapeline.app.sharing import host_budgets
from tapeline.clock import SystemClock
from tapeline.config import Config, Place, place_of
from tapeline.errors import ConfigError
from tapeline.model.instrument import split_id
from tapeline.store.tape_writer import TapeStatistics, TapeWriter
from tapeline.store.trouble import usable
from tapeline.wire.rest import real_fetch

STOP_WITHIN_S = 10.0


async def record_streams(
    instruments: Sequence[str], channels: Sequence[str], out: Path, *, stop: asyncio.Event, for_s: float | None,
    ws_url: str | None = None, rest_url: str | None = None, config: Config | None = None,
) -> TapeStatistics:  # fmt: skip
    """Record until `stop` or for so long; returns what the tape took, and what the disk refused of it.

    Raises ConfigError on a bad name, StoreUnusable where the folder cannot be made.

    `config` says where the venues are and how connections are kept; the addresses given go before it.
    """
    for instrument in instruments:
        if not all(split_id(instrument)):
            raise ConfigError(f"{instrument!r} names no venue: write VENUE:SYMBOL")
    config = config or Config()
    tape = TapeWriter(out)
    fetch, client = real_fetch()
    clock = SystemClock()
    world = World(
        dial=real_world_dial, fetch=fetch, clock=clock, chance=random.SystemRandom().random, record=tape.frame,
        answered=lambda method, url, answer, at_ns: tape.answer(method, url, answer.status, answer.body, at_ns),
        budget=host_budgets(clock),
    )  # fmt: skip
    _made(out)
    tape.start()
    try:
        async with client, Instance(world).running() as instance:
            places = [place_of(config, split_id(each)[0], ws_url=ws_url, rest_url=rest_url) for each in instruments]
            asking = asyncio.create_task(_asked(instance, instruments, places, channels), name="asking")
            try:
                await _until_stopped(asking, stop, for_s)
            finally:
                asking.cancel()
    finally:
        tape.stop(STOP_WITHIN_S)
    return tape.statistics()


async def _asked(instance: Instance, names: Sequence[str], places: Sequence[Place], channels: Sequence[str]) -> None:
    for name, place in zip(names, places, strict=True):
        await instance.subscribe(
            name, channels, ws_url=place.ws_url, rest_url=place.rest_url, settings=place.connection
        )  # fmt: skip


async def _until_stopped(asking: asyncio.Task[None], stop: asyncio.Event, for_s: float | None) -> None:
    """A venue that does not answer holds up no stop; a name that it does not list ends the recording."""
    stopped = asyncio.create_task(stop.wait(), name="stop")
    try:
        async with asyncio.timeout(for_s):
            await asyncio.wait({asking, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                asking.result()
            await stopped
    except TimeoutError:
        pass  # the time that was asked for is over
    finally:
        stopped.cancel()


def _made(folder: Path) -> None:
    """Before anything is dialled: a folder that cannot be made takes no frame."""
    with usable(folder):
        folder.mkdir(parents=True, exist_ok=True)
