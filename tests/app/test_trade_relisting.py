"""A venue's list read again while a run goes on, in virtual time, against a simulated venue whose list changes."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from relisting_fixtures import Lists
from tapeline.app.trade.relisting import Relistings
from tapeline.model.account import OrderUpdate
from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.engine import Engine
from tapeline.trading.input import Failed
from tapeline.trading.orders import Blotter
from tapeline.trading.record import Listed
from tapeline.trading.setup import Account, Setup
from tapeline.trading.strategy import Strategy
from tapeline.venues import venue_named
from tapeline.venues.spec import Ask
from tapeline.wire.pipe import Response

D = Decimal
BTC, ETH = "binance:BTC/USDT", "binance:ETH/USDT"
PERIOD_S = 900.0


class Run:
    """An engine that trades two instruments of the stage's venue, and hears of its list."""

    def __init__(self, on: Any, desk: Any, every_s: float = PERIOD_S) -> None:
        self.desk, self.on = desk, on
        self.offered: list[Listed] = []
        self.kept: list[Instrument] = []
        self.strategy = Strategy(name="s", instruments=(BTC, ETH))
        known = [desk.symbols.find(name.partition(":")[2]) for name in (BTC, ETH)]
        setup = Setup(
            accounts={"main": Account(name="main", venue="binance")}, instruments={each.id: each for each in known}
        )
        self.engine = Engine(setup, [self.strategy], blotter=Blotter("test"), ledger=Ledger())
        self.engine.start(0)
        self.relistings = Relistings(
            on.instance, self.engine.situation, every_s=every_s, clock=on.clock, offer=self._offer,
            keep=self.kept.extend,
        )  # fmt: skip

    def _offer(self, listed: Listed) -> None:
        self.offered.append(listed)
        self.engine.step(listed, listed.at_ns)

    @property
    def state(self) -> Any:
        return self.relistings.statistics()["lists"][0]

    @property
    def listed(self) -> list[Instrument]:
        return list(self.desk.symbols.by_native.values())


Played = Callable[..., None]


@pytest.fixture
def played(staged: Callable[..., None]) -> Played:
    """Play with a run whose lists are kept."""

    def play(body: Callable[[Run], Awaitable[None]], every_s: float = PERIOD_S) -> None:
        async def inner(on: Any) -> None:
            run = Run(on, await on.instance.desk("binance"), every_s)
            async with asyncio.TaskGroup() as tasks:
                work = run.relistings.begin(tasks, on.instance)
                await body(run)
                for each in work:
                    each.cancel()

        staged(inner, rate=1)

    return play


def test_what_the_venue_changes_holds_from_the_next_reading_on(lists: Lists, played: Played) -> None:
    async def body(run: Run) -> None:
        before = run.listed
        btc = run.engine.situation.known(BTC)
        assert run.strategy.buy(BTC, "0.0123", price="50000.01").intent.price == D("50000.01")
        lists.says = [replace(each, tick=D("0.5"), lot=D("0.01")) if each.id == BTC else each for each in before]
        await asyncio.sleep(PERIOD_S - 1)
        assert run.offered == [], "within a short run nothing is asked"
        assert len(lists.asked) == 1
        await asyncio.sleep(5)
        new = replace(btc, tick=D("0.5"), lot=D("0.01"))
        (told,) = run.offered
        assert (told.instrument, told.why) == (new, "")
        order = run.strategy.buy(BTC, "0.0123", price="50000.01")
        assert (order.intent.price, order.intent.size) == (D("50000.0"), D("0.01"))
        assert run.kept == [new], "the store gets the version, and nothing else"
        said = "tick 0.01 -> 0.5, lot " + f"{btc.lot} -> 0.01"
        (change,) = run.relistings.statistics()["changes"]
        assert (change["instrument"], change["changed"]) == (BTC, said)
        assert (run.state["readings"], run.state["failed"], run.state["trouble"]) == (1, 0, "")
        await asyncio.sleep(3 * PERIOD_S)
        assert (len(run.offered), run.state["readings"]) == (1, 4), "the same list again is no news"

    played(body)


def test_what_is_gone_from_the_list_is_not_opened_any_more_until_it_is_back(lists: Lists, played: Played) -> None:
    async def body(run: Run) -> None:
        before = run.listed
        lists.says = [each for each in before if each.id != ETH]
        await asyncio.sleep(PERIOD_S + 5)
        (told,) = run.offered
        assert (told.instrument.id, told.instrument.status) == (ETH, "delisted")
        assert told.why == "the venue's list has it no more"
        assert run.strategy.buy(ETH, "1", price=2000).reason == "market_closed"
        assert run.strategy.buy(BTC, "1", price=2000).state == "intended", "the other goes on"
        assert [(each.id, each.status) for each in run.kept] == [(ETH, "delisted")]
        assert run.desk.symbols.find("ETH/USDT").status == "delisted"
        await asyncio.sleep(PERIOD_S)
        assert len(run.offered) == 1, "it is told once"
        lists.says = before
        await asyncio.sleep(PERIOD_S)
        assert [each.instrument.status for each in run.offered] == ["delisted", "trading"]

    played(body)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Response(503, {}, b"<html>Service unavailable</html>"), "503"),
        (Response(200, {}, b'{"symbols": 7}'), "the instrument list cannot be read"),
        (Response(200, {}, b'{"symbols": []}'), "the list is empty"),
        (Response(400, {}, b'{"code": -1130, "msg": "no such list"}'), "no such list"),
    ],
)
def test_a_list_that_is_not_to_be_had_changes_nothing_and_is_told(
    lists: Lists, played: Played, answer: Response, said: str
) -> None:
    async def body(run: Run) -> None:
        before = run.listed
        lists.says = answer
        await asyncio.sleep(2 * PERIOD_S + 300)
        assert (run.offered, run.kept, run.listed) == ([], [], before)
        assert said in run.state["trouble"]
        assert (run.state["failed"], run.state["readings"]) == (2, 2), "it is tried again the next time"
        assert run.on.instance.problems.counts["binance", "instruments"] == 2
        lists.says = [replace(each, tick=D(1)) if each.id == BTC else each for each in before]
        await asyncio.sleep(PERIOD_S + 300)
        assert [each.instrument.tick for each in run.offered] == [D(1)]
        assert run.state["trouble"] == ""

    played(body)


def test_half_a_list_is_none_and_what_it_says_is_not_taken_over(lists: Lists, played: Played) -> None:
    async def body(run: Run) -> None:
        btc = run.desk.symbols.find("BTC/USDT")
        more = [replace(btc, symbol=f"X{at}/USDT", base=f"X{at}", native=f"X{at}USDT") for at in range(30)]
        whole = [*run.listed, *more]
        lists.says = whole
        await asyncio.sleep(PERIOD_S + 5)
        assert len(run.kept) == 30, "what is newly listed is kept"
        lists.says = [replace(each, tick=D(1)) for each in whole if each.id == BTC]
        await asyncio.sleep(PERIOD_S)
        assert run.offered == []
        assert run.state["trouble"].startswith(
            f"the list lacks {len(whole) - 1} of {len(whole)} that were listed as spot"
        )
        assert run.desk.symbols.find("X29/USDT").status == "trading"

    played(body)


def rows(run: Run, **bad: Any) -> Response:
    """The list as it is, with other words in some rows."""
    server = venue_named("binance").server
    assert server is not None
    info = msgspec.json.decode(server.answer_rest(Ask("instruments"), run.listed))
    info["symbols"] = [bad.get(each["symbol"], each) for each in info["symbols"]]
    return Response(200, {}, msgspec.json.encode(info))


def test_a_row_that_means_nothing_takes_no_other_with_it_and_its_instrument_is_as_it_was(
    lists: Lists, played: Played
) -> None:
    async def body(run: Run) -> None:
        eth = msgspec.json.decode(rows(run).body)["symbols"][1]
        assert eth["symbol"] == "ETHUSDT"
        (price,) = (each for each in eth["filters"] if each["filterType"] == "PRICE_FILTER")
        price["tickSize"] = "5.00"
        lists.says = rows(run, BTCUSDT={"symbol": "BTCUSDT", "filters": 7}, ETHUSDT=eth)
        await asyncio.sleep(PERIOD_S + 5)
        (told,) = run.offered
        assert (told.instrument.id, told.instrument.tick) == (ETH, D("5.00")), "what can be read holds"
        said = "for 1 rows of the list that mean nothing, such as that of BTCUSDT: Expected `array`, got `int`"
        assert run.state["trouble"].startswith(said)
        assert run.engine.situation.known(BTC).status == "trading"
        lists.says = rows(run, BTCUSDT={}, ETHUSDT=7)
        await asyncio.sleep(PERIOD_S)
        assert len(run.offered) == 1, "a row without a name may be of any that is missing"
        assert run.state["trouble"].startswith("for 2 rows of the list that mean nothing, such as that of ?: ")
        lists.says = [each for each in run.listed if each.id != ETH]
        await asyncio.sleep(PERIOD_S)
        assert (run.offered[-1].instrument.id, run.offered[-1].instrument.status) == (ETH, "delisted")
        assert run.state["trouble"] == ""

    played(body)


def test_something_else_under_the_same_name_is_for_the_next_run(lists: Lists, played: Played) -> None:
    async def body(run: Run) -> None:
        lists.says = [replace(each, native="OTHER") if each.id == BTC else each for each in run.listed]
        await asyncio.sleep(PERIOD_S + 5)
        (told,) = run.offered
        assert (told.instrument.native, told.instrument.status) == ("BTCUSDT", "delisted")
        assert "something else under its name (native BTCUSDT -> OTHER)" in told.why

    played(body)


def refusal(reason: str, *, of: str = BTC, state: str = "rejected") -> OrderUpdate:
    return OrderUpdate(
        of, "orders", 1, 1, "ws", "main", client_id="x", venue_id="", state=state, side="buy", kind="limit", size=D(1),
        filled=D(0), reason=reason,
    )  # fmt: skip


def test_a_refusal_for_its_terms_reads_the_list_soon_and_many_read_it_once(played: Played) -> None:
    async def body(run: Run) -> None:
        await asyncio.sleep(700)
        for _ in range(50):
            run.relistings.heard(refusal("lot"))
        await asyncio.sleep(4)
        assert run.state["readings"] == 0, "others of the same moment are waited for"
        await asyncio.sleep(10)
        assert run.state["readings"] == 1
        for _ in range(20):
            run.relistings.heard(refusal("tick"))
            await asyncio.sleep(20)
        assert run.state["readings"] == 1, "it was read just now"
        await asyncio.sleep(300)
        run.relistings.heard(refusal("market_closed"))
        await asyncio.sleep(10)
        assert run.state["readings"] == 2
        await asyncio.sleep(PERIOD_S)
        assert run.state["readings"] == 3, "and each period after the last"

    played(body)


def test_other_refusals_and_other_news_are_no_reason(played: Played) -> None:
    async def body(run: Run) -> None:
        await asyncio.sleep(700)
        for event in (
            refusal("balance"), refusal("lot", state="open"), refusal("lot", of="okx:BTC/USDT"), "news",
            Failed("nobody's", "submit", "refused", 1, "", "lot"), Failed("x", "submit", "unknown", 1, "", "lot"),
        ):  # fmt: skip
            run.relistings.heard(event)
        await asyncio.sleep(60)
        assert run.state["readings"] == 0

    played(body)


def test_a_command_that_was_refused_names_its_instrument_by_its_order(played: Played) -> None:
    async def body(run: Run) -> None:
        await asyncio.sleep(700)
        order = run.strategy.buy(BTC, "1", price=100)
        run.relistings.heard(Failed(order.client_id, "submit", "refused", 1, "Filter failure: LOT_SIZE", "lot"))
        await asyncio.sleep(10)
        assert run.state["readings"] == 1

    played(body)


def test_none_is_read_where_the_configuration_says_so(lists: Lists, played: Played) -> None:
    async def body(run: Run) -> None:
        await asyncio.sleep(700)
        run.relistings.heard(refusal("lot"))
        await asyncio.sleep(3 * PERIOD_S)
        assert len(lists.asked) == 1
        assert run.relistings.statistics() == {"lists": [], "changes": []}

    played(body, every_s=0.0)


def test_a_fault_of_ours_is_told_and_ends_nothing(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(run: Run) -> None:
        monkeypatch.setattr("tapeline.app.relisting.lacking", lambda *_: 1 / 0)
        await asyncio.sleep(PERIOD_S + 5)
        assert run.on.instance.problems.counts["", "instruments"] == 1
        monkeypatch.undo()
        await asyncio.sleep(PERIOD_S + 60)
        assert (run.state["readings"], run.state["trouble"]) == (2, "")

    played(body)
