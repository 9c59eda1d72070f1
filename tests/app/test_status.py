import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from tapeline.app.status import status

BTC = "binance:BTC/USDT"


@dataclass(frozen=True)
class Part:
    rows_written: int


def test_the_status_object_is_plain_json_and_says_what_there_is(staged: Callable[..., None]) -> None:
    async def play(on: Any) -> None:
        await on.instance.subscribe(BTC, ["trades", "book"])
        await asyncio.sleep(60)
        found = status(
            on.instance, state="running", now_ns=on.clock.wall_ns(), parts={"store": Part(7), "note": {"x": 1}}
        )
        found = json.loads(msgspec.json.encode(found))
        assert (found["state"], found["pid"], found["store"], found["note"]) == (
            "running", os.getpid(), {"rows_written": 7}, {"x": 1},
        )  # fmt: skip
        (connection,) = found["connections"]
        assert (connection["connection"], connection["state"], connection["re_dials"]) == (
            "binance/public/1",
            "live",
            1,
        )
        (outage,) = found["outages"]
        assert outage["took_s"] is not None
        assert outage["final"] is False
        series = {row["channel"]: row for row in found["series"]}
        assert series["trades"]["gaps"] == 1
        assert series["trades"]["last_age_s"] < 30
        (book,) = found["books"]
        assert book["synchronised"] is True
        assert "bid" in book
        assert found["events"]["trade"] == series["trades"]["events"]
        assert found["clocks"]["binance"]["samples"] >= 3
        assert abs(found["clocks"]["binance"]["offset_s"]) < 1  # the same clock, over a line that takes its time

    staged(play, faults=("cut@+20s+2s",))


def test_an_outage_that_goes_on_and_a_book_that_is_gone(staged: Callable[..., None]) -> None:
    async def play(on: Any) -> None:
        await on.instance.subscribe(BTC, ["book"])
        await asyncio.sleep(40)
        found = status(on.instance, state="running", now_ns=on.clock.wall_ns(), parts={})
        (outage,) = found["outages"]
        assert (outage["up_at_ns"], outage["took_s"]) == (None, None)
        (book,) = found["books"]
        assert (book["synchronised"], book["reason"]) == (False, "link_down")
        assert "bid" not in book

    staged(play, faults=("cut@+20s", "refuse@+20s+10m"))
