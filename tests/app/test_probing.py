"""Quiet or dead, from what REST says against what the stream brought."""

from decimal import Decimal
from typing import Any

import pytest

from tapeline.app.probing import Prober
from tapeline.errors import ConnectionLost
from tapeline.model.event import BookSnapshot, Trade
from tapeline.model.topic import Topic
from tapeline.sim.loop import run
from tapeline.venues import venue_named
from tapeline.venues.spec import Ask
from tapeline.wire.merge import Merge
from tapeline.wire.track import Track

BTC = "binance:BTC/USDT"
TRADES, QUOTES, BOOK = (Topic(name, "BTCUSDT") for name in ("trades", "quotes", "book"))


def trade(seq: int) -> Trade:
    return Trade(BTC, "trades", seq, seq, "rest", str(seq), seq, "buy", Decimal(1), Decimal(1))


def depth(seq: int) -> BookSnapshot:
    return BookSnapshot(BTC, "book", None, 1, "rest", [], [], None, seq)


class Rest:
    """Answers as told; `meanwhile` is what the stream brings while it is asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Ask] = []
        self.meanwhile: Any = None

    async def call(self, ask: Ask, _ids: object) -> Any:
        self.asked.append(ask)
        if self.meanwhile is not None:
            self.meanwhile()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def track_at(seq: int | None) -> Track:
    merge = Merge()
    track = merge.declare(BTC, "trades", venue_named("binance").feeds["trades"])
    if seq is not None:
        merge.offer([trade(seq)], 0.0)
    return track


def asked(
    rest: Rest, track: Track | None, topic: Topic = TRADES, *, times: int = 1, calls: str = "trades depth"
) -> Any:
    troubles: list[tuple[str, str]] = []
    prober = Prober(rest, frozenset(calls.split()), lambda kind, text: troubles.append((kind, text)))  # type: ignore[arg-type]  # it calls, that is all

    async def main() -> Any:
        found = [await prober.dead(topic, track) for _ in range(times)]
        prober.forget(topic)
        return found[0] if times == 1 else found

    found = run(main())
    return (found, troubles) if troubles else found


@pytest.mark.parametrize(
    ("held", "answer", "dead"),
    [
        (5, [trade(5)], False),
        (5, [trade(4), trade(5), trade(6)], True),
        (5, [], False),
        (None, [], False),
        (None, [trade(1)], None),
    ],
)
def test_news_that_did_not_come_means_dead(held: int | None, answer: list[Trade], dead: bool | None) -> None:
    assert asked(Rest(answer), track_at(held)) is dead


def test_a_book_and_a_quote_are_judged_by_the_venues_depth() -> None:
    rest = Rest([depth(9)], [depth(9)])
    assert asked(rest, track_at(5), QUOTES) is True
    assert asked(rest, track_at(9), BOOK) is False
    assert [ask.call for ask in rest.asked] == ["depth", "depth"]


def test_what_cannot_be_asked_cannot_be_told() -> None:
    assert asked(Rest(), None) is None
    assert asked(Rest(), track_at(1), calls="depth") is None


def test_an_answer_that_fails_is_told_and_proves_nothing() -> None:
    found, troubles = asked(Rest(ConnectionLost("HTTP 503")), track_at(1))
    assert found is None
    assert troubles == [("probe", "trades BTCUSDT: HTTP 503")]


def test_data_that_comes_while_we_ask_is_life() -> None:
    track = track_at(5)
    rest = Rest([trade(6)])
    rest.meanwhile = lambda: track.admit(trade(6), 0.0)
    assert asked(rest, track) is False


def test_after_an_outage_only_news_since_the_last_probe_counts() -> None:
    track = track_at(5)
    track.down("link_down")
    assert asked(Rest([trade(8)], [trade(8)], [trade(9)]), track, times=3) == [None, False, True]
