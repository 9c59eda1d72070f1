"""A venue's instrument list, asked for until it is there: nothing is dialled before, so that what keeps it is told."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from tapeline.app.symbols import Symbols
from tapeline.errors import BadData, Retry
from tapeline.model.instrument import Instrument
from tapeline.venues.spec import Ask, Priority, Unreadable, Venue
from tapeline.wire.rest import Rest

TOLD_AFTER_S = 5.0


async def listed(
    rest: Rest, venue: Venue, symbols: Symbols, *, waits: Iterator[float], trouble: Callable[[str, str], None],
    attempts: int = 0,
) -> None:  # fmt: skip
    """Teach `symbols` the list. Raises Refused where it will never come, and Retry or BadData after so many attempts
    (0: it is asked for ever).
    """
    for attempt in count(1):
        try:
            for part in venue.rest["instruments"].parts:
                await _part(rest, part, symbols, trouble)
        except (Retry, BadData) as error:  # a body may be cut off
            trouble("instruments", str(error))
            if attempt == attempts:
                raise
            await asyncio.sleep(max(getattr(error, "after_s", None) or 0.0, next(waits)))
        else:
            return


def said_of(bad: Sequence[Unreadable]) -> str:
    """Rows of a list that mean nothing, in words."""
    return f"{len(bad)} rows of the list that mean nothing, such as that of {bad[0].native or '?'}: {bad[0].text}"


async def read_list(rest: Rest, venue: Venue) -> tuple[list[Instrument], list[Unreadable]]:
    """The whole list once more, behind everything else that is asked. Raises Retry, BadData or Refused."""
    found: list[Instrument] = []
    bad: list[Unreadable] = []
    for part in venue.rest["instruments"].parts:
        items = await rest.call(Ask("instruments", part=part), {}, priority=Priority.AUDIT)
        found += [item for item in items if isinstance(item, Instrument)]
        bad += [item for item in items if isinstance(item, Unreadable)]
    return found, bad


async def _part(rest: Rest, part: str, symbols: Symbols, trouble: Callable[[str, str], None]) -> None:
    def late() -> None:
        silent_s = rest.silent_s()
        why = f"the venue asked for silence, {silent_s:.0f} s of it are left" if silent_s else "no answer yet"
        trouble("instruments", f"still waiting for the list of instruments: {why}")

    timer = asyncio.get_running_loop().call_later(TOLD_AFTER_S, late)
    try:
        items = await rest.call(Ask("instruments", part=part), {})
    finally:
        timer.cancel()
    symbols.learn([item for item in items if isinstance(item, Instrument)])
    bad = [item for item in items if isinstance(item, Unreadable)]
    if bad:
        trouble("instruments", f"left out: {said_of(bad)}")
