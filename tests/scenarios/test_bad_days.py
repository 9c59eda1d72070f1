"""Bad input and bad days, one by one, end to end: an application, a venue that misbehaves, virtual time."""

import asyncio
import logging
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
import structlog

from tapeline.app.instance import Instance, World
from tapeline.config import ConnectionConfig
from tapeline.errors import ConnectionLost
from tapeline.model.event import Bar, Event, Gap, Link, Trade
from tapeline.model.interval import MINUTE_NS
from tapeline.model.topic import Topic
from tapeline.sim.faults import fault
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.pit import Rates
from tapeline.sim.source import Moment
from tapeline.sim.venue import SimulatedVenue
from tapeline.sim.world import START_NS, WorldPlan, WorldReport, run_world
from tapeline.venues import venue_named
from tapeline.venues.spec import Ask
from tapeline.wire.pipe import Pipe

VENUES = ("binance", "binance-usdm", "okx")
BTC, ETH = "binance:BTC/USDT", "binance:ETH/USDT"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def kept(venue: str, *faults: str, minutes: int = 75, **plan: Any) -> WorldReport:
    """A world with these faults, in which every promise was kept."""
    report = run_world(
        WorldPlan(
            venue=venue_named(venue), seed=5, duration_s=60.0 * minutes, faults=[fault(text) for text in faults],
            clock_steps=plan.pop("clock_steps", ()), **plan,
        )
    )  # fmt: skip
    assert report.violations == (), f"\n{report}"
    return report


def connections(venue: str) -> int:
    """How many connections a world of this venue needs."""
    feeds = venue_named(venue).feeds
    return len({feeds[kind].endpoint for kind in ("trades", "quotes", "book", "bars")})


# ---- connections


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("how", ["cut", "half", "expire", "close@1000", "close@1001", "close@1006", "close@4000"])
def test_however_a_connection_ends_it_is_one_outage(venue: str, how: str) -> None:
    kind, _, code = how.partition("@")
    report = kept(venue, f"{kind}@+20m+4m" + (f":{code}" if code else ""))
    assert report.outages == connections(venue)
    assert set(report.gaps) == {"link_down"}


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("refused", [1, 2, 5])
def test_dials_that_fail_belong_to_the_outage(venue: str, refused: int) -> None:
    report = kept(venue, f"refuse@+20m:{refused}", "cut@+20m+1m")
    assert report.outages == connections(venue)


@pytest.mark.parametrize("venue", VENUES)
def test_a_venue_that_refuses_for_ten_minutes(venue: str) -> None:
    report = kept(venue, "refuse@+20m+10m", "cut@+20m")
    assert report.outages == connections(venue)
    assert set(report.gaps) == {"link_down"}


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_acknowledgement_is_asked_for_again(venue: str, lost: int) -> None:
    if lost == 1:
        assert kept(venue, "no_ack@+0s:1").gaps == {}
    report = kept(venue, f"no_ack@+20m:{lost}", "cut@+20m")
    assert report.outages >= connections(venue)


@pytest.mark.parametrize("venue", VENUES)
def test_flapping_ends_well(venue: str) -> None:
    report = kept(venue, *(f"cut@+{1200 + 7 * turn}s+3s" for turn in range(20)))
    assert 10 * connections(venue) <= report.outages <= 21 * connections(venue)


@pytest.mark.parametrize("venue", VENUES)
def test_a_planned_re_dial_is_no_outage_and_loses_nothing(venue: str) -> None:
    report = kept(venue, settings=ConnectionConfig(idle_ping_s=60.0, max_connection_age_s=300.0))
    assert (report.outages, report.gaps) == (0, {})
    assert report.counts["link"] > 10, "they did re-dial"


@pytest.mark.parametrize("venue", VENUES)
def test_the_venues_notice_that_it_will_close_is_heeded_in_time(venue: str) -> None:
    server = venue_named(venue).server
    assert server is not None
    assert server.closing is not None, "every venue here announces it"
    report = kept(venue, "closing@+20m+30s")
    assert (report.outages, report.gaps) == (0, {})
    assert report.counts["notice"] == connections(venue)


@pytest.mark.parametrize("venue", VENUES)
def test_a_quiet_market_is_no_outage(venue: str) -> None:
    report = kept(venue, minutes=180, rates=Rates(trades_per_minute=1, levels=5, step_beats=9000))
    assert (report.outages, report.gaps) == (0, {})


@pytest.mark.parametrize("venue", VENUES)
def test_a_venue_that_falls_silent_is_left(venue: str) -> None:
    report = kept(venue, "mute@+20m+10m")
    assert report.outages >= connections(venue)


# ---- frames


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("kind", ["corrupt", "torn", "utf8", "oversize"])
def test_a_bad_frame_is_counted_and_costs_nobody_the_connection(venue: str, kind: str) -> None:
    report = kept(venue, f"{kind}@+20m", f"{kind}@+25m")
    assert report.outages == 0
    assert sum(report.problems.values()) == 2


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("kind", ["corrupt", "torn", "utf8"])
def test_nothing_but_bad_frames_opens_the_breaker_and_it_closes_again(venue: str, kind: str) -> None:
    busy = Rates(trades_per_minute=60, levels=5, step_beats=10)
    report = kept(venue, f"{kind}@+5m+2m", minutes=12, bars="1m", rates=busy)
    assert report.outages >= 1
    assert sum(report.problems.values()) >= 10


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("kind", ["duplicate", "reorder"])
def test_repeats_and_disorder_leave_nothing_behind(venue: str, kind: str) -> None:
    report = kept(venue, f"{kind}@+15m+25m")
    assert report.outages == 0


@pytest.mark.parametrize("venue", VENUES)
def test_frames_that_vanish_are_gaps_of_their_own_topic(venue: str) -> None:
    report = kept(venue, "drop@+20m:trades", "drop@+25m:book")
    assert (report.outages, report.gaps) == (0, {"id_jump": 1, "sequence_jump": 1})


@pytest.mark.parametrize("venue", VENUES)
def test_a_topic_that_falls_silent_alone_is_found_by_asking_rest(venue: str) -> None:
    report = kept(venue, "drop@+10m+25m:trades", rates=Rates(trades_per_minute=20, levels=5, step_beats=1800))
    assert report.gaps.get("silence", 0) >= 3, report


# ---- clocks


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("by_s", [3600.0, -3600.0])
def test_our_clock_is_set_by_an_hour(venue: str, by_s: float) -> None:
    report = kept(venue, clock_steps=[(1200.0, by_s), (2400.0, -by_s)])
    assert (report.outages, report.gaps) == (0, {})


# ---- REST


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("kind", ["429", "ban"])
def test_rest_that_asks_to_wait_delays_the_books_and_nothing_else(venue: str, kind: str) -> None:
    report = kept(venue, f"{kind}@+20m+3m:100", "cut@+20m+1m")
    assert report.outages == connections(venue)


# ---- scenes of our own


class Bent:
    """A market whose moments are bent on the way, and whose symbols may be delisted."""

    def __init__(self, market: Market, bend: Callable[[Moment], Moment] = lambda moment: moment) -> None:
        self._market, self._bend = market, bend
        self.gone: set[str] = set()
        self.start_ns, self.waits = market.start_ns, market.waits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._market, name)

    @property
    def at_ns(self) -> int:
        return self._market.at_ns

    def take(self, before_ns: int | None, most: int, wanted: Container[Topic]) -> Sequence[Moment]:
        assert isinstance(wanted, Mapping)
        left = {topic: who for topic, who in wanted.items() if topic.native not in self.gone}
        return [self._bend(moment) for moment in self._market.take(before_ns, most, left)]

    def knows(self, native: str) -> bool:
        return native not in self.gone and self._market.knows(native)

    def served_as(self, topic: Topic) -> Topic | None:
        return None if topic.native in self.gone else self._market.served_as(topic)

    def answer(self, ask: Ask, now_ns: int) -> bytes | None:
        return None if ask.native in self.gone else self._market.answer(ask, now_ns)


class Scene:
    """An instance on a simulated venue; `dials` wraps every connection."""

    def __init__(
        self, venue: str = "binance", *, faults: Sequence[str] = (), bend: Any = None, dials: Any = None
    ) -> None:
        self.clock = VirtualClock(START_NS)
        value = venue_named(venue)
        market = Market(value, 5, START_NS, Rates(trades_per_minute=30, levels=5, step_beats=100))
        self.market = Bent(market, bend) if bend else Bent(market)
        self.sim = SimulatedVenue(value, self.market, clock=self.clock, faults=[fault(text) for text in faults])
        dial = dials(self.sim.dial) if dials else self.sim.dial
        self.instance = Instance(
            World(dial=lambda _settings: dial, fetch=self.sim.fetch, clock=self.clock, chance=random.Random(5).random)
        )
        self.heard: list[Event] = []
        self.instance.bus.subscribe(self.heard.append)

    def of(self, kind: type, instrument: str | None = None) -> list[Any]:
        return [each for each in self.heard if isinstance(each, kind) and instrument in {None, each.instrument}]

    @property
    def changes(self) -> list[str]:
        return [link.change for link in self.of(Link) if link.change != "state"]


def play(story: Callable[[Scene], Awaitable[None]], venue: str = "binance", **scene: Any) -> None:
    """Tell a story in virtual time."""

    async def main() -> None:
        stage = Scene(venue, **scene)
        async with asyncio.timeout(86_400), stage.sim.open(), stage.instance.running():
            await story(stage)

    run(main())


def contiguous(trades: Sequence[Trade]) -> bool:
    return all((after.seq or 0) == (before.seq or 0) + 1 for before, after in pairwise(trades))


def test_a_close_while_it_subscribes_is_tried_again() -> None:
    sent: list[bytes] = []

    class Closing:
        """Ends with the first request, before any answer."""

        def __init__(self, pipe: Pipe) -> None:
            self._pipe = pipe

        def __getattr__(self, name: str) -> Any:
            return getattr(self._pipe, name)

        async def send(self, frame: bytes) -> None:
            sent.append(frame)
            raise ConnectionLost("closed by the venue: 1001", code=1001)

    def dials(dial: Any) -> Any:
        @asynccontextmanager
        async def wrapped(url: str) -> AsyncIterator[Any]:
            async with dial(url) as pipe:
                yield Closing(pipe) if len(sent) < 3 else pipe

        return wrapped

    async def story(scene: Scene) -> None:
        (answer,) = await scene.instance.subscribe(BTC, ["trades"], within_s=120)
        await asyncio.sleep(60)
        assert answer.state == "live"
        assert len(sent) == 3
        assert scene.sim.dialled == 4
        assert scene.changes[-1] == "up"
        assert len(scene.of(Trade)) > 20
        assert contiguous(scene.of(Trade))

    play(story, dials=dials)


def test_a_subscription_made_while_disconnected_is_kept_for_later() -> None:
    async def story(scene: Scene) -> None:
        await scene.instance.subscribe(BTC, ["trades"])
        await asyncio.sleep(65)
        assert scene.changes == ["up", "down"]
        (answer,) = await scene.instance.subscribe(ETH, ["trades"], within_s=600)
        await asyncio.sleep(60)
        assert answer.state == "live"
        assert scene.changes == ["up", "down", "up"]
        assert contiguous(scene.of(Trade, ETH))

    play(story, faults=["cut@+60s", "refuse@+60s+2m"])


@pytest.mark.parametrize("venue", VENUES)
def test_a_symbol_is_delisted_while_it_streams(venue: str) -> None:
    async def story(scene: Scene) -> None:
        btc, eth = (pit.instrument for pit in scene.market.pits[:2])
        for one in (btc, eth):
            await scene.instance.subscribe(one.id, ["trades", "book"])
        await asyncio.sleep(60)
        scene.market.gone.add(eth.native)
        heard = len(scene.of(Trade, eth.id))
        await asyncio.sleep(1800)
        assert len(scene.of(Trade, eth.id)) <= heard + 1
        trades = scene.of(Trade, btc.id)
        assert trades[-1].at_ns > scene.sim.player.now_ns() - 5e9
        outages = scene.changes.count("down")
        assert outages <= 1, "a symbol that is gone does not cost the others their connection again and again"
        assert len([gap for gap in scene.of(Gap, btc.id) if gap.channel == "trades"]) <= outages

    play(story, venue)


@pytest.mark.parametrize("ahead_ms", [3_600_000, 400 * 86_400_000])
def test_a_stamp_from_the_future_closes_no_bar(ahead_ms: int) -> None:
    count = 0

    def bend(moment: Moment) -> Moment:
        nonlocal count
        at_ns, topic, frame = moment
        count += topic == Topic("trades", "BTCUSDT")
        if count == 40 and topic == Topic("trades", "BTCUSDT"):
            frame = re.sub(rb'"T":(\d+)', lambda found: b'"T":%d' % (int(found[1]) + ahead_ms), frame)
        return at_ns, topic, frame

    async def story(scene: Scene) -> None:
        await scene.instance.subscribe(BTC, ["trades", "bars:1m@trades"])
        await asyncio.sleep(600)
        bars = [bar for bar in scene.of(Bar, BTC) if bar.open_at_ns < START_NS + 9 * MINUTE_NS]
        assert [bar.revision for bar in bars] == [1] * 9, "none closed early, so none had to be told twice"
        truth = scene.market.pits[0].candles("1m", START_NS, START_NS + 9 * MINUTE_NS, START_NS + 9 * MINUTE_NS)
        assert [bar.open_at_ns for bar in bars] == [bar.open_at_ns for bar in truth]
        right = [bar.volume == true.volume for bar, true in zip(bars, truth, strict=True)]
        assert right.count(False) <= 2  # the one we joined in, the one that lost its trade to the future

    play(story, bend=bend)


def test_rest_that_says_429_is_left_alone_for_as_long_as_it_asked() -> None:
    async def story(scene: Scene) -> None:
        await scene.instance.subscribe(BTC, ["trades"], within_s=120)
        assert 45 <= scene.clock.now() < 60

    play(story, faults=["429@+0s:45"])


def test_at_the_bound_of_its_attempts_it_gives_up_and_says_what_is_missing() -> None:
    async def story(scene: Scene) -> None:
        settings = ConnectionConfig(reconnect_attempts=3)
        await scene.instance.subscribe(BTC, ["trades", "quotes"], settings=settings)
        await asyncio.sleep(300)
        assert scene.instance.given_up
        assert scene.changes[:2] == ["up", "down"]
        assert scene.of(Link)[-1].final
        assert {(gap.channel, gap.open) for gap in scene.instance.open_gaps()} == {("trades", True), ("quotes", True)}

    play(story, faults=["cut@+60s", "refuse@+60s+1h"])
