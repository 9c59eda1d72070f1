"""The wait for a run's venues. A stop ends it: nothing has been sent yet, so there is nothing to take back."""

import asyncio

import structlog

from tapeline.model.order import Order
from tapeline.trading.restore import Restored

_log = structlog.get_logger("tapeline")


class NotBegun(Exception):  # no error: the run was told to end
    """A run that was told to end before its venues had answered. `left`: what the run before may have open there."""

    def __init__(self, left: list[Order]) -> None:
        super().__init__("told to end before the venues had answered")
        self.left = left


async def opened(
    opening: asyncio.Task[None], restored: Restored, *, stop: asyncio.Event | None, within_s: float | None, live: bool
) -> None:  # fmt: skip
    """Until every venue has its instruments. Raises NotBegun where `stop`, or the end of `within_s`, comes first."""
    stopped = asyncio.create_task((stop or asyncio.Event()).wait(), name="stop")
    try:
        await asyncio.wait({opening, stopped}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    if opening.done():
        return opening.result()
    _log.warning("ended before it began", why="the venue has not answered: nothing was sent")
    resting = [each for each in restored.blotter.live() if each.client_id not in restored.held]
    left = resting if live else []  # paper venues ended with their run
    for order in left:
        _log.error("an order may still be open", order=order.client_id, state=order.state, why="of the run before")
    raise NotBegun(left)
