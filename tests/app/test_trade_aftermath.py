"""What is done, and said, where a live run's journal cannot be written; at a paper exchange in a venue's protocol."""

from decimal import Decimal
from pathlib import Path

from tapeline.app.trade.aftermath import Aftermath, aftermath, in_words
from tapeline.config import Config, Secret, StoreConfig, TradeConfig, VenueConfig
from tapeline.config.account import AccountConfig
from tapeline.errors import ConnectionLost
from tapeline.model.order import Intent, Order
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.venue import SimulatedVenue
from tapeline.store.latch import HaltLatch
from tapeline.trading.paper.exchange import Exchange
from tapeline.venues import venue_named
from tapeline.venues.spec import Request
from tapeline.wire.pipe import Response

D = Decimal
AT_NS = 1_760_000_000_000_000_000
KEY = Key(key="the-key-of-main", secret="the-secret-of-main", account="main")
NEXT = "mend what keeps the journal from being written, and"
RESUME = '      tapeline resume --config t.toml --who NAME --why "..."'
MINE = Order(
    client_id="t1a0000001s", size=D(3), filled=D(1), price=D(90), state="open",
    intent=Intent(instrument="v:B/U", side="buy", kind="limit", size=D(3), price=D(95), account="main"),
)  # fmt: skip


def after(state: Path, at_stop: str = "cancel", *, reachable: bool = True) -> tuple[Aftermath, list[str], str]:
    """(what came of it, client ids that are open at the venue afterwards, the latch)."""

    async def main() -> tuple[Aftermath, list[str], str]:
        clock, venue = VirtualClock(AT_NS), venue_named("binance-usdm")
        account = AccountConfig(venue=venue.name, mode="live", key=Secret(KEY.key), secret=Secret(KEY.secret))
        config = Config(
            account={"main": account}, venue={venue.name: VenueConfig()}, store=StoreConfig(path=str(state / "gone")),
            trade=TradeConfig(at_stop="keep" if at_stop == "keep" else "cancel", stop_within_s=4.0),
        )  # fmt: skip
        paper = PaperSettings(keys=[KEY], balances={"USDT": D(100_000)})
        sim = SimulatedVenue(venue, Market(venue, 7, AT_NS - 10**9), clock=clock, paper=paper)
        async with sim.open():
            assert sim.paper is not None
            at: Exchange = sim.paper.exchange
            of = next(one.id for one in at.instruments.values() if one.kind == "perpetual" and one.base == "BTC")
            far = Intent(instrument=of, side="buy", kind="limit", size=D("0.02"), price=D(30_000))
            at.place("main", "o1", far, AT_NS)

            async def gone(_url: str, _request: Request) -> Response:
                raise ConnectionLost("nobody there")

            environ = {"XDG_STATE_HOME": str(state)}
            began = clock.now()
            found = await aftermath(
                config, ["main"], fetch=sim.fetch if reachable else gone, clock=clock, environ=environ,
                chance=lambda: 0.5, say=lambda _line: None, why="the disk is full",
            )  # fmt: skip
            assert clock.now() - began < 20, "it takes no longer than an orderly stop, and the questions under way"
            return (
                found,
                [each.client_id for each in at.open_orders("main")],
                HaltLatch("main", "live", environ, clock).state,
            )

    return run(main())


def test_what_rests_is_cancelled_and_verified(tmp_path: Path) -> None:
    found, there, latch = after(tmp_path)
    assert (there, latch) == ([], "halted")
    lines = list(found.lines({"main": [MINE]}, "t.toml"))
    assert lines[0] == "account main (live): halted, nothing but cancels passes"
    assert lines[2:] == ["  cancelled: o1", "  verified with the venue", f"next: {NEXT}", RESUME]


def test_what_is_to_be_kept_is_looked_at_and_told(tmp_path: Path) -> None:
    found, there, latch = after(tmp_path, "keep")
    assert (there, latch) == (["o1"], "reduce_only")
    assert list(found.lines({"main": [MINE]}, "t.toml"))[2:] == [
        "  open: order o1", "  verified with the venue",
        'next: 1 orders are left, by [trade] at_stop = "keep", and nobody watches them.',
        '      To cancel them: tapeline halt --config t.toml --why "..."',
        f"then: {NEXT}", RESUME,
    ]  # fmt: skip


def test_a_run_that_ended_by_another_fault_says_what_may_rest() -> None:
    assert list(Aftermath().lines({"main": [MINE], "other": []}, "t.toml")) == [
        "account main: what may rest, by our own books:",
        "  buy 2 v:B/U at 90: t1a0000001s, open when last heard of",
        "account other: no order may rest, by our own books",
        'next: tapeline halt --config t.toml --why "..."   (until it is verified with the venue)',
        "      tapeline watchdog --config t.toml   (does so again and again by itself)",
    ]


def test_a_venue_that_is_gone_leaves_the_gate_closed_and_our_own_books(tmp_path: Path) -> None:
    found, there, latch = after(tmp_path, reachable=False)
    assert (there, latch) == (["o1"], "halted")
    lines = list(found.lines({"main": [MINE]}, "t.toml"))
    assert "  NOT VERIFIED: look at the venue yourself" in lines
    assert "  buy 2 v:B/U at 90: t1a0000001s, open when last heard of" in lines
    assert lines[-2:] == [f"then: {NEXT}", RESUME]


def test_an_order_of_unknown_size_is_named_all_the_same() -> None:
    spends = Intent(instrument="v:B/U", side="buy", kind="market", quote_size=D(5), account="main")
    assert in_words(Order(client_id="x", intent=spends)) == "buy ? v:B/U: x, intended when last heard of"
