from collections.abc import Mapping
from typing import Any

import pytest

from tapeline.config import WatchConfig
from tapeline.trading.input import Healthy
from tapeline.watch.monitor import REMEDY, Monitor, Vitals, Wish, as_json

ACCOUNTS: Mapping[str, list[str]] = {"pit": ["main", "second"], "pit:BTC/USDT": ["main", "second"], "main": ["main"]}


class Watched:
    """A monitor that is looked at once a second."""

    def __init__(self, **settings: Any) -> None:
        self.monitor = Monitor(WatchConfig(**settings), lambda subject: ACCOUNTS[subject])
        self.now = 100.0
        self.news: list[Healthy] = []
        self.wishes: list[Wish] = []

    def sees(self, seconds: int = 1, **vitals: Any) -> "Watched":
        for _ in range(seconds):
            news, wishes = self.monitor.look(Vitals(**vitals), self.now, round(self.now * 1e9))
            self.news += news
            self.wishes += wishes
            self.now += 1.0
        return self

    def told(self) -> list[tuple[str, str, str]]:
        return [(each.check, each.instrument, each.state) for each in self.news]


def test_a_healthy_engine_says_nothing_and_shows_every_check() -> None:
    watched = Watched().sees(60, clock_offset_s={"pit": 0.01}, feed_age_s={"pit:BTC/USDT": 1.0}, outages={"pit": 3})
    assert (watched.news, watched.wishes) == ([], [])
    assert [(row.check, row.subject, row.state) for row in watched.monitor.rows()] == [
        ("clock", "pit", "ok"), ("feed", "pit:BTC/USDT", "ok"), ("loop_lag", "", "ok"), ("queue_age", "", "ok"),
        ("reconnects", "pit", "ok"), ("store", "", "ok"),
    ]  # fmt: skip
    assert watched.monitor.failing == []


def test_overload_is_first_reduce_only_and_then_halted() -> None:
    watched = Watched(overload_s=5.0, overload_halt_s=30.0)
    watched.sees(5, loop_lag_s=3.0)
    assert (watched.wishes, watched.monitor.failing) == ([], ["loop_lag"])
    watched.sees(1, loop_lag_s=3.0)
    assert watched.wishes == [Wish("", "reduce_only", "loop_lag: the loop is 3.00 s late")]
    watched.sees(60, loop_lag_s=3.0)
    assert [wish.state for wish in watched.wishes] == ["reduce_only", "halted"]


def test_a_short_burst_asks_for_nothing() -> None:
    watched = Watched().sees(3, queue_age_s=9.0).sees(20).sees(3, queue_age_s=9.0).sees(20)
    assert watched.wishes == []
    assert watched.told() == [("queue_age", "", "fail"), ("queue_age", "", "ok")] * 2


@pytest.mark.parametrize(
    ("vitals", "check", "setting"),
    [
        ({"clock_offset_s": {"pit": -3.0}}, "clock", "on_clock"),
        ({"feed_age_s": {"pit:BTC/USDT": 61.0}}, "feed", "on_data_loss"),
    ],
)
def test_reactions_are_the_configurations(vitals: dict[str, Any], check: str, setting: str) -> None:
    for reaction in ("warn", "reduce_only", "halted", "flattening"):
        watched = Watched(**{setting: reaction}).sees(5, **vitals)
        wanted = [] if reaction == "warn" else [reaction, reaction]
        assert [wish.state for wish in watched.wishes] == wanted
        assert [wish.account for wish in watched.wishes] == (["main", "second"] if wanted else [])
        assert watched.told() == [(check, next(iter(next(iter(vitals.values())))), "fail")]
        assert REMEDY[check] in watched.news[0].text


def test_a_storm_of_reconnects() -> None:
    watched = Watched(reconnects_per_minute=3).sees(1, outages={"pit": 0}).sees(10, outages={"pit": 3})
    assert watched.told() == [("reconnects", "pit", "warn")]
    watched.sees(1, outages={"pit": 4})
    assert [wish.state for wish in watched.wishes] == ["reduce_only", "reduce_only"]
    watched.sees(80, outages={"pit": 4})
    assert watched.told()[-1] == ("reconnects", "pit", "ok")


def test_accounts_are_judged_by_themselves() -> None:
    watched = Watched(rejects_in_row=3, on_rejects="halted")
    watched.sees(2, rejects_in_row={"main": 2}, unexplained={"main": ""}, reconciled_s_ago={"main": 1000.0})
    assert watched.told() == [("reconciliation_age", "main", "fail")]
    assert watched.wishes == []
    watched.sees(1, rejects_in_row={"main": 3}, unexplained={"main": "0.1 BTC more than we know of"})
    assert watched.wishes == [
        Wish("main", "reduce_only", "mismatch: 0.1 BTC more than we know of"),
        Wish("main", "halted", "rejects: 3 orders in a row were refused"),
    ]


def test_what_fails_is_asked_for_once_and_again_after_it_was_well() -> None:
    watched = Watched().sees(30, clock_offset_s={"pit": 5.0})
    assert len(watched.wishes) == 2
    watched.sees(15, clock_offset_s={"pit": 0.0}).sees(1, clock_offset_s={"pit": 5.0})
    assert len(watched.wishes) == 4


def test_a_value_that_wavers_about_its_limit_rings_once() -> None:
    watched = Watched(clock_offset_s=1.0)
    for _ in range(10):
        watched.sees(1, clock_offset_s={"pit": 1.1}).sees(5, clock_offset_s={"pit": 0.9})
    assert watched.told() == [("clock", "pit", "fail")]


def test_what_is_not_watched_any_more_is_well() -> None:
    watched = Watched().sees(1, not_trading={"pit:BTC/USDT": "halted"}).sees(1)
    assert watched.told() == [("venue_status", "pit:BTC/USDT", "fail"), ("venue_status", "pit:BTC/USDT", "ok")]
    assert watched.wishes == []


def test_memory_latency_and_store_only_tell() -> None:
    watched = Watched(memory_mb=100.0).sees(
        2, memory_bytes=200 * 2**20, latency_s={"pit": 9.0}, store_behind_s=60.0
    )  # fmt: skip
    assert sorted(check for check, _, _ in watched.told()) == ["latency", "memory", "store"]
    assert watched.wishes == []
    rows = as_json(watched.monitor.rows())
    assert [row["state"] for row in rows[:3]] == ["fail"] * 3
    assert rows[0]["todo"] == REMEDY[rows[0]["check"]]
    assert rows[-1]["todo"] == ""
