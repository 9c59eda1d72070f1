"""Terms of an instrument that change under a running engine: what comes after goes by the new ones."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from test_replay import SETUP, Recording, player

from engine_fixtures import BTC, PERP, SECOND, Bench, D
from tapeline.model.event import Status, Trade
from tapeline.model.instrument import Instrument
from tapeline.trading.command import Note, Withdraw
from tapeline.trading.input import Healthy
from tapeline.trading.record import Listed
from tapeline.trading.strategy import Strategy

COARSE = replace(BTC, tick=D("0.5"), lot=D("0.01"), min_notional=D(50))


class Ears(Strategy):
    name = "ears"
    instruments = (BTC.id, PERP.id)

    def on_start(self) -> None:
        self.heard: list[Healthy] = []
        self.known: list[Instrument] = []

    def on_health(self, health: Healthy) -> None:
        self.heard.append(health)
        self.known.append(self.instrument(health.instrument))


def relist(bench: Bench, instrument: Instrument, why: str = "") -> list[Any]:
    return bench.step(Listed(instrument, bench.now_ns, why))


def test_orders_after_it_are_rounded_by_the_new_tick_and_lot() -> None:
    bench = Bench()
    bench.price("100")
    before = bench.strategy.buy(BTC.id, "0.1234", price="99.99")
    relist(bench, COARSE)
    after = bench.strategy.buy(BTC.id, "1.2345", price="99.99")
    assert (before.intent.price, before.intent.size) == (D("99.99"), D("0.1234")), "what is open stays as it is"
    assert (after.intent.price, after.intent.size) == (D("99.5"), D("1.23"))
    assert after.state == "intended"


def test_the_new_minimum_holds() -> None:
    bench = Bench()
    bench.price("100")
    assert bench.strategy.buy(BTC.id, "0.1", price=100).state == "intended"
    relist(bench, COARSE)
    refused = bench.strategy.buy(BTC.id, "0.1", price=100)
    assert (refused.reason, refused.why) == ("min_notional", "it is worth 10, under the least, 50")


def test_it_is_told_in_words_to_the_journal_and_to_strategies() -> None:
    ears = Ears()
    bench = Bench(ears)
    said = f"{BTC.id}: tick 0.01 -> 0.5, lot 0.0001 -> 0.01, min_notional 5 -> 50"
    assert relist(bench, COARSE) == [Note("instrument", "", said)]
    assert ears.heard == [Healthy("instrument", "ok", said, bench.now_ns, BTC.id)]
    assert ears.known == [COARSE], "it sees the new terms as it hears of them"
    assert relist(bench, COARSE) == [], "the same again is no news"
    gone = replace(COARSE, status="delisted")
    (note,) = relist(bench, gone, "the venue's list has it no more")
    assert note.text == f"{BTC.id}: status trading -> delisted: the venue's list has it no more"
    assert (ears.heard[-1].state, len(ears.heard)) == ("warn", 2)


def test_what_is_delisted_may_be_closed_and_not_opened() -> None:
    bench = Bench()
    bench.hold("1", of=PERP)
    bench.hold("1")
    for each in (BTC, PERP):
        relist(bench, replace(each, status="delisted"), "the venue's list has it no more")
    for each in (BTC, PERP):
        opening = bench.strategy.buy(each.id, "0.1", price=100)
        assert (opening.reason, opening.why) == (
            "market_closed", f"{each.id} is delisted: only what closes a position is sent",
        )  # fmt: skip
        closing = bench.strategy.close(each.id)
        assert closing is not None
        assert closing.state == "intended", closing.why
    turning = bench.strategy.sell(PERP.id, "3", price=100)
    assert turning.reason == "market_closed"


def test_the_newer_of_list_and_stream_holds() -> None:
    bench = Bench()
    bench.price("100")
    bench.step(Status(BTC.id, "status", 1, 1, "ws", "halted"))
    assert bench.strategy.buy(BTC.id, "0.1", price=100).reason == "market_closed"
    note = relist(bench, BTC)[-1]
    assert note.text == f"{BTC.id}: status halted -> trading"
    assert bench.strategy.buy(BTC.id, "0.1", price=100).state == "intended"


@pytest.mark.parametrize("kind", ["stop", "take_profit"])
def test_an_order_that_waits_with_us_leaves_on_the_new_tick_and_lot(kind: str) -> None:
    bench = Bench()
    bench.hold("1.2345")
    waits: dict[str, Any] = {kind: "90" if kind == "stop" else "110.03", "price": "89.99" if kind == "stop" else "109"}
    order = bench.strategy.sell(BTC.id, "1.2345", **waits)
    assert order.intent.size == D("1.2345")
    relist(bench, COARSE)
    (sent,) = bench.submitted(bench.price("90" if kind == "stop" else "111"))
    assert sent.order.client_id == order.client_id
    assert sent.order.intent.size == D("1.23"), "it protects what it can, and is not refused for its lot"
    assert sent.order.intent.price == D("90" if kind == "stop" else "109"), "a sell is rounded up"


def test_of_one_that_waits_and_is_less_than_a_lot_by_now_nothing_is_sent() -> None:
    bench = Bench()
    bench.hold("0.005", "2000")
    order = bench.strategy.sell(BTC.id, "0.005", stop="1990")
    relist(bench, replace(BTC, lot=D("0.01"), min_notional=None))
    commands = bench.price("1990")
    assert bench.submitted(commands) == []
    assert [each.reason for each in commands if isinstance(each, Withdraw)] == ["lot"]
    known = bench.engine.situation.blotter.order(order.client_id)
    assert known is not None
    assert (known.state, known.reason) == ("withdrawn", "lot")


class Quarters(Strategy):
    """Buys at odd prices and sizes, whatever the tick."""

    name = "Buys"
    instruments = (BTC.id,)

    def on_trade(self, trade: Trade) -> None:
        self.buy(BTC.id, "1.23456", price=trade.price)


def test_a_recording_of_it_gives_the_same_commands_byte_for_byte() -> None:
    made = Recording(Quarters())
    made.engine.start(SECOND)
    for at, event in enumerate(
        (trade("100.13"), Listed(COARSE, 5), trade("100.13"), Listed(BTC, 6), trade("100.13")), 2
    ):
        made.engine.step(event, at * SECOND)
    made.end()
    assert [order.price for order in made.engine.situation.blotter.live()] == [D("100.13"), D("100.0"), D("100.13")]
    found = player(Quarters()).play(made.taken())
    assert (found.difference, found.digest, found.inputs) == (None, made.engine.digest, 6)
    without = [each for each in made.taken() if not isinstance(each.about, Listed)]
    difference = player(Quarters()).play(without).difference
    assert difference is not None, "it decides what is sent: without it, another order"
    assert '"price":"100.0"' in difference.recorded
    assert SETUP.instruments[BTC.id] == BTC


def trade(price: str) -> Trade:
    return Trade(BTC.id, "trades", 1, 2, "ws", "7", 7, "buy", D(price), D(1))


def test_it_can_be_written_and_read_and_so_can_one_of_an_older_journal() -> None:
    whole = msgspec.json.encode(Listed(COARSE, 5, "why"))
    assert msgspec.json.decode(whole, type=Listed) == Listed(COARSE, 5, "why")
    older = msgspec.json.encode({"type": "listed", "instrument": BTC, "at_ns": 5})
    assert msgspec.json.decode(older, type=Listed) == Listed(BTC, 5)
