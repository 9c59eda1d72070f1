"""Cancels all that is open: by the venue's own call, then one by one, until the venue says that nothing of ours is."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from tapeline.clock import Clock
from tapeline.errors import BadData, Refused, Retry
from tapeline.model.account import OrderUpdate
from tapeline.model.instrument import Instrument
from tapeline.trading.input import Failed
from tapeline.venues.orders import OrderAnswer, OrderAsk, Orders
from tapeline.wire.pace import backoff
from tapeline.wire.private.signed import SignedRest

ROUNDS = 8  # after each the venue is asked what is still open


class Sweep:
    """One account's. `ours` knows our orders, `cancel` cancels one and tells of it, `answered` gets other answers."""

    def __init__(
        self, orders: Orders, rest: SignedRest, ids: Mapping[str, str], instruments: Mapping[str, Instrument], *,
        account: str, clock: Clock, ours: Callable[[OrderUpdate], bool],
        cancel: Callable[[OrderUpdate], Awaitable[None]], answered: Callable[[Sequence[OrderAnswer]], None],
        tell: Callable[[Failed], None], problem: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._orders, self._rest, self._ids, self._instruments = orders, rest, ids, instruments
        self._account, self._clock = account, clock
        self._ours, self._cancel, self._answered, self._tell, self._problem = ours, cancel, answered, tell, problem

    async def run(self, instrument: str | None) -> None:
        """By the venue's own call, then one by one, until the venue says that none of ours is open."""
        problem, waits = "", backoff(0.5, 10.0, lambda: 1.0)
        for attempt in range(ROUNDS):
            await asyncio.sleep(next(waits))
            try:
                mine, others = await self._open(instrument)
                if not mine:
                    return
                problem = f"{len(mine)} orders are still open"
                if attempt == 0 and not others:  # orders of other origin are not ours to cancel
                    await self._in_bulk(instrument, mine)
                else:
                    await asyncio.gather(*(self._cancel(update) for update in mine))
            except (Retry, Refused, BadData) as trouble:
                problem = str(trouble)
                self._problem("cancel all", problem)
        self._tell(Failed("", "cancel_all", "unknown", self._clock.wall_ns(), problem))

    async def _in_bulk(self, instrument: str | None, found: Sequence[OrderUpdate]) -> None:
        """The venue's own cancel-all. That it fails is no reason to stop: what is open is cancelled one by one."""
        call = self._orders.calls.get("cancel_all")
        if call is None or not self._orders.cancel_all:
            await asyncio.gather(*(self._cancel(update) for update in found))
            return
        whole = self._orders.cancel_all == "account" and instrument is None
        names = [None] if whole else [instrument] if instrument else sorted({each.instrument or "" for each in found})
        for name in names:
            for part in call.parts:
                ask = OrderAsk(
                    call="cancel_all", account=self._account, part=part,
                    instrument=self._instruments[name] if name else None,
                )  # fmt: skip
                try:
                    self._answered(await self._rest.call(ask, self._ids))
                except (Retry, Refused, BadData) as trouble:
                    self._problem("cancel all", str(trouble))

    async def _open(self, instrument: str | None) -> tuple[list[OrderUpdate], list[OrderUpdate]]:
        """What the venue says is open: ours, and what is of other origin."""
        call = self._orders.calls["open_orders"]
        wanted: list[Instrument | None] = [self._instruments[instrument]] if instrument else [None]
        if call.per_instrument and not instrument:
            wanted = list(self._instruments.values())
        mine: list[OrderUpdate] = []
        others: list[OrderUpdate] = []
        for each in wanted:
            ask = OrderAsk(call="open_orders", account=self._account, instrument=each)
            for told in await self._rest.listed(ask, self._ids):
                if isinstance(told, OrderUpdate) and told.instrument in self._instruments:
                    (mine if self._ours(told) else others).append(told)
        return mine, others
