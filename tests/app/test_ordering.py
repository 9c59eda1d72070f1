"""Streams that wait for their holes: on a running instance, in virtual time, without a store."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tapeline.app.bookkeeping import Bookkeeping
from tapeline.app.ordering import InOrder
from tapeline.app.repairing import Repairer
from tapeline.clock import SystemClock
from tapeline.errors import ConfigError
from tapeline.model.channel import channel
from tapeline.model.event import Event, Gap, Repair, Trade
from tapeline.outlet import Outlet
from tapeline.store.writer import Nowhere
from tapeline.venues.spec import Request
from tapeline.wire.pipe import Response

BTC = "binance:BTC/USDT"
Staged = Callable[..., None]


def repaired(on: Any) -> asyncio.Task[None]:
    ledger = Bookkeeping(lambda _row: None)
    ledger.attach(on.instance.bus, [channel("trades")])
    mending = Repairer(on.instance, ledger, Nowhere(), clock=on.clock, rebuilder=None)
    return asyncio.create_task(mending.run())


def test_a_complete_stream_has_every_trade_in_order_and_an_arrival_stream_has_them_as_they_came(staged: Staged) -> None:
    async def play(on: Any) -> None:
        task = repaired(on)
        whole, live = list[Event](), list[Event]()
        on.instance.on(whole.append, instrument=BTC, of="trades", order="complete")
        on.instance.on(live.append, instrument=BTC, of="trades")
        await on.instance.subscribe(BTC, ["trades"])
        await asyncio.sleep(120)
        task.cancel()
        seqs = [event.seq for event in whole if isinstance(event, Trade)]
        assert len(seqs) > 90
        assert seqs == list(range(seqs[0] or 0, (seqs[0] or 0) + len(seqs)))
        assert not [event for event in whole if isinstance(event, Gap)]
        arrived = [event.seq for event in live if isinstance(event, Trade)]
        assert arrived != sorted(arrived, key=lambda seq: seq or 0)
        assert set(arrived) == set(seqs)
        (gap,) = [event for event in live if isinstance(event, Gap)]
        (repair,) = [event for event in live if isinstance(event, Repair)]
        assert (repair.from_ns, repair.to_ns) == (gap.after_ns, (gap.before_ns or 0) + 1)

    staged(play, faults=("cut@+60s+15s",))


def test_what_cannot_be_fetched_in_time_passes_with_its_gap(staged: Staged) -> None:
    async def play(on: Any) -> None:
        fetch = on.instance.world.fetch

        async def broken(base: str, request: Request) -> Response:
            if "historicalTrades" in request.path:
                return Response(503, {}, b"")
            return await fetch(base, request)  # type: ignore[no-any-return]  # a Response

        object.__setattr__(on.instance.world, "fetch", broken)
        task = repaired(on)
        whole = list[Event]()
        on.instance.on(whole.append, instrument=BTC, of="trades", order="complete", hold_s=10)
        await on.instance.subscribe(BTC, ["trades"])
        await asyncio.sleep(79)
        held = len([event for event in whole if isinstance(event, Trade)])
        await asyncio.sleep(10)
        task.cancel()
        (gap,) = [event for event in whole if isinstance(event, Gap)]
        assert gap.open
        assert len([event for event in whole if isinstance(event, Trade)]) > held

    staged(play, faults=("cut@+60s+15s",))


def test_an_order_that_nobody_can_keep_is_refused(staged: Staged) -> None:
    async def play(on: Any) -> None:
        instance = on.instance
        with pytest.raises(ConfigError, match="repair is off"):
            instance.on(print, instrument=BTC, of="trades", order="complete")
        instance.repairs = True
        with pytest.raises(ConfigError, match="trades or aggtrades of one instrument, not quotes"):
            instance.outlet(Outlet(), instrument=BTC, of="quotes", order="complete")
        with pytest.raises(ConfigError, match="one instrument"):
            instance.on(print, of="trades", order="complete")
        with pytest.raises(ConfigError, match="binance-usdm has no history of trades"):
            instance.on(print, instrument="binance-usdm:BTC/USDT:USDT", of="trades", order="complete")

    staged(play)


def test_a_callback_that_fails_costs_only_its_event(staged: Staged) -> None:
    async def play(on: Any) -> None:
        task = repaired(on)
        seen = list[int]()

        def fail_at_times(event: Event) -> None:
            if isinstance(event, Trade) and (event.seq or 0) % 10 == 0:
                raise ValueError(event.seq)
            seen.append(getattr(event, "seq", 0))

        on.instance.on(fail_at_times, instrument=BTC, of="trades", order="complete")
        await on.instance.subscribe(BTC, ["trades"])
        await asyncio.sleep(120)
        task.cancel()
        trades = [seq for seq in seen if seq]
        assert trades == [seq for seq in range(trades[0], trades[-1] + 1) if seq % 10]
        assert on.instance.problems.by_kind()["binance"]["subscriber"] >= 9

    staged(play, faults=("cut@+60s+15s",))


def test_what_waits_is_forgotten_with_the_stream() -> None:
    async def main() -> None:
        out = list[Event]()
        order = InOrder(out.append, SystemClock(), 0.0, failed=lambda _event, _error: None)
        order.put(Gap(BTC, "trades", 5, 5, "built", 1, 5, 1, 5, "link_down"))
        order.close()
        order.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert out == []

    asyncio.run(main())
