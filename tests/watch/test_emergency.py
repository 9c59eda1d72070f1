"""From configuration to a stop, at a paper exchange in a venue's own protocol; and what goes wrong on the way."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

from tapeline.config import Config, FlattenConfig, Secret, StoreConfig, VenueConfig
from tapeline.config.account import AccountConfig
from tapeline.model.account import Fill
from tapeline.model.order import Intent
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.pit import Rates
from tapeline.sim.venue import SimulatedVenue
from tapeline.store.journal import Journal
from tapeline.trading.command import Note, Submit
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.record import Listed
from tapeline.trading.risk.check import Approved, RiskState, check
from tapeline.trading.risk.check import Market as RiskMarket
from tapeline.venues import venue_named
from tapeline.watch.emergency import PAPER, Emergency
from tapeline.watch.memory import ours_of

D = Decimal
AT_NS = 1_760_000_000_000_000_000
KEY = Key(key="the-key-of-main", secret="the-secret-of-main", account="main")
LIVE = AccountConfig(venue="binance-usdm", mode="live", key=Secret(KEY.key), secret=Secret(KEY.secret))
SPOT = AccountConfig(venue="binance", mode="live", key=Secret(KEY.key), secret=Secret(KEY.secret))
Act = Callable[[Emergency, Exchange, list[str]], Awaitable[None]]


def config(store: Path | None = None, **accounts: AccountConfig) -> Config:
    return Config(
        account=accounts, store=StoreConfig(path=str(store) if store else None),
        flatten=FlattenConfig(band=D("0.02"), band_max=D("0.1"), slices=2), venue={"binance-usdm": VenueConfig()},
    )  # fmt: skip


def emergency(of: Config, act: Act, state: Path) -> None:
    async def main() -> None:
        clock = VirtualClock(AT_NS)
        venue = venue_named("binance" if all(each.venue == "binance" for each in of.account.values()) else LIVE.venue)
        market = Market(venue, 7, AT_NS - 3600 * 10**9, Rates(trades_per_minute=600))
        paper = PaperSettings(keys=[KEY], balances={"USDT": D(1_000_000), "BTC": D(5)})
        sim = SimulatedVenue(venue, market, clock=clock, paper=paper)
        said: list[str] = []
        async with sim.open():
            assert sim.paper is not None
            sim.paper.begin()
            stopping = Emergency(
                config=of, fetch=sim.fetch, clock=clock, environ={"XDG_STATE_HOME": str(state)}, chance=lambda: 0.5,
                say=said.append,
            )  # fmt: skip
            await act(stopping, sim.paper.exchange, said)

    run(main())


def bought(at: Exchange, size: str, *, kind: str = "perpetual") -> str:
    of = next(one.id for one in at.instruments.values() if one.kind == kind and one.base == "BTC")
    at.place("main", "p1", Intent(instrument=of, side="buy", kind="market", size=D(size)), AT_NS)
    return of


def test_an_account_is_halted_and_flat_and_the_journal_says_so(tmp_path: Path) -> None:
    async def act(stopping: Emergency, at: Exchange, said: list[str]) -> None:
        of = bought(at, "0.02")
        reports = await stopping.stop(["main"], flatten=True, who="ann", why="a test")
        assert [(report.state, report.done, report.closed) for report in reports] == [("flat", True, [f"0.02 {of}"])]
        assert (at.positions("main"), stopping.latch("main").state, said) == ([], "flat", [])

    store = tmp_path / "store"
    Journal(store).close()
    emergency(config(store, main=LIVE), act, tmp_path)
    journal = Journal(store)
    notes = [each.record for each in journal.replay() if isinstance(each.record, Note)]
    journal.close()
    assert [each.text for each in notes if each.kind == "halt"] == [
        "running -> flattening by ann: a test",
        "flattening -> flat by flattener: verified with the venue",
    ]
    assert [each.text for each in notes if each.kind == "halt_report"][-1] == "verified with the venue"


def test_every_gate_closes_though_one_account_has_no_key(tmp_path: Path) -> None:
    async def act(stopping: Emergency, _at: Exchange, _said: list[str]) -> None:
        reports = await stopping.stop(["lost", "main", "toy"], flatten=False, who="ann", why="a test")
        assert [report.state for report in reports] == ["halted", "halted", "halted"]
        assert [report.done for report in reports] == [False, True, False]
        assert "has no key" in reports[0].problems[0]
        assert reports[2].problems == [PAPER]
        assert [stopping.latch(name).state for name in ("lost", "main", "toy")] == ["halted"] * 3
        assert stopping.latch("main").read().outside

    lost = AccountConfig(venue="binance-usdm", mode="live")
    emergency(config(None, lost=lost, main=LIVE, toy=AccountConfig(venue="binance")), act, tmp_path)


def test_only_the_gate(tmp_path: Path) -> None:
    async def act(stopping: Emergency, _at: Exchange, _said: list[str]) -> None:
        report = stopping.gate(["main"], "reduce_only", who="ann", why="a test")[0]
        assert report.lines(gate_only=True) == [
            "account main (live): reduce_only, what closes a position passes, and cancels",
            "  by ann: a test; it took 0.0 s",
        ]

    emergency(config(None, main=LIVE), act, tmp_path)


def test_spot_is_sold_by_the_journals_word(tmp_path: Path) -> None:
    async def act(stopping: Emergency, at: Exchange, _said: list[str]) -> None:
        of = bought(at, "0.5", kind="spot")
        journal = Journal(store)
        buy = Intent(instrument=of, side="buy", kind="market", size=D("0.3"), account="main", strategy="grid")
        market_now = RiskMarket(price=D(100), age_s=0.0)
        order = check(buy, RiskState(instrument=at.instruments[of], market=market_now), [], client_id="x")
        assert isinstance(order, Approved)
        journal.append([Listed(at.instruments[of], AT_NS), Submit(order), _fill(of, "0.3")], AT_NS)
        journal.close()
        assert ours_of(store, "main", AT_NS) == {of: D("0.3")}
        before = _btc(at)
        report = (await stopping.stop(["main"], flatten=True, who="ann", why="a test"))[0]
        assert report.done
        assert before - _btc(at) == D("0.3")

    store = tmp_path / "store"
    Journal(store).close()
    emergency(config(store, main=SPOT), act, tmp_path)


def _btc(at: Exchange) -> Decimal:
    return next(each.total or D(0) for each in at.balances("main") if each.currency == "BTC")


def _fill(of: str, size: str) -> Fill:
    return Fill(
        of, "fills", AT_NS, AT_NS, "ws", "main", id="1", client_id="x", venue_id="1", side="buy", price=D(100),
        size=D(size), fee=D(0), fee_currency="USDT",
    )  # fmt: skip


def test_where_a_journal_cannot_be_read_spot_is_left_alone_and_nobody_says_that_it_is_flat(tmp_path: Path) -> None:
    async def act(stopping: Emergency, at: Exchange, said: list[str]) -> None:
        before = _btc(at)
        report = (await stopping.stop(["main"], flatten=True, who="ann", why="a test"))[0]
        assert (report.state, report.done, report.verified, report.left_orders) == ("flattening", False, False, [])
        assert _btc(at) == before
        (problem,) = report.problems
        assert problem.startswith("what strategies hold on spot is not known, and is left as it is: the journal in ")
        assert "  NOT VERIFIED: look at the venue yourself" in report.lines()
        assert any("not in the journal" in line for line in said)

    store = tmp_path / "store"
    store.mkdir()
    (store / "journal.sqlite").write_bytes(b"no database, but long enough to be looked at" * 40)
    emergency(config(store, main=SPOT), act, tmp_path)
