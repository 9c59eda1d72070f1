"""Lists read again while `tapeline run` goes on, in virtual time, against a simulated venue whose list changes."""

import asyncio
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from mode_fixtures import START_NS, House, Show, on, stream
from relisting_fixtures import Lists
from tapeline.config import AuditConfig
from tapeline.model.instrument import Instrument
from tapeline.model.interval import HOUR_NS, SECOND_NS
from tapeline.wire.pipe import Response

D = Decimal
BTC, ETH = "binance:BTC/USDT", "binance:ETH/USDT"
HOUR_S = 3600.0


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Streams one of two instruments; the list is read each hour."""
    made = House(tmp_path, stream("bars:1m"), listed=2, rate=1)
    made.config = msgspec.structs.replace(made.config, audit=AuditConfig(enabled=False, instruments_h=1.0))
    return made


def listed(show: Show) -> list[Instrument]:
    (desk,) = show.running.instance.desks.values()
    return list(desk.symbols.by_native.values())


def test_what_a_venue_changes_is_a_new_version_in_the_store(lists: Lists, house: House) -> None:
    async def play(show: Show) -> None:
        before = listed(show)
        assert show.running.status()["instruments"] == {"lists": [], "changes": []}
        lists.says = [replace(each, tick=D("0.5"), lot=D("0.001")) for each in before]
        await asyncio.sleep(HOUR_S + 5)
        assert [each.tick for each in listed(show)] == [D("0.5"), D("0.5")]
        said = show.running.status()["instruments"]
        (change,) = said["changes"]  # the other is not streamed: the store has its version all the same
        assert (change["instrument"], change["changed"]) == (BTC, "tick 0.01 -> 0.5, lot 0.00001 -> 0.001")
        assert 0 <= change["at_ns"] - START_NS - HOUR_NS < 5 * SECOND_NS
        (row,) = said["lists"]
        assert (row["venue"], row["instruments"], row["readings"], row["failed"]) == ("binance", 2, 1, 0)
        await asyncio.sleep(2 * HOUR_S)
        assert len(show.running.status()["instruments"]["changes"]) == 1, "the same list again is no news"
        assert len(lists.asked) == 4

    on(house, play)
    with house.store() as store:
        for name in (BTC, ETH):
            old, new = store.versions(name)
            assert (old.tick, new.tick) == (D("0.01"), D("0.5"))
            assert 0 <= new.valid_from_ns - START_NS - HOUR_NS < 5 * SECOND_NS


def test_what_is_delisted_and_what_is_new_is_known_from_then_on(lists: Lists, house: House) -> None:
    async def play(show: Show) -> None:
        btc, eth = listed(show)
        fresh = replace(eth, symbol="NEW/USDT", native="NEWUSDT", base="NEW")
        lists.says = [eth, fresh]
        await asyncio.sleep(HOUR_S + 5)
        assert [(each.id, each.status) for each in listed(show)] == [
            (BTC, "delisted"), (ETH, "trading"), ("binance:NEW/USDT", "trading"),
        ]  # fmt: skip
        (change,) = show.running.status()["instruments"]["changes"]
        assert change["changed"] == "status trading -> delisted"
        lists.says = [btc, eth, fresh]
        await asyncio.sleep(HOUR_S)
        assert [each.status for each in listed(show)] == ["trading"] * 3

    on(house, play)
    with house.store() as store:
        assert [each.status for each in store.versions(BTC)] == ["trading", "delisted", "trading"]
        assert {each.id for each in store.instruments()} == {BTC, ETH, "binance:NEW/USDT"}


def test_a_list_that_is_not_to_be_had_changes_nothing_and_is_told(lists: Lists, house: House) -> None:
    async def play(show: Show) -> None:
        before = listed(show)
        answers = {
            "503": Response(503, {}, b"<html>Service unavailable</html>"),
            "the instrument list cannot be read": Response(200, {}, b'{"symbols": 7}'),
            "the list is empty": Response(200, {}, b'{"symbols": []}'),
            "no such list": Response(400, {}, b'{"code": -1130, "msg": "no such list"}'),
        }
        for failed, (said, answer) in enumerate(answers.items(), 1):
            lists.says = answer
            await asyncio.sleep(HOUR_S + 300)
            (row,) = show.running.status()["instruments"]["lists"]
            assert row["failed"] == failed
            assert said in row["trouble"]
            assert listed(show) == before
        assert show.running.instance.problems.counts["binance", "instruments"] == 4
        lists.says = None
        await asyncio.sleep(HOUR_S)
        (row,) = show.running.status()["instruments"]["lists"]
        assert (row["trouble"], row["failed"]) == ("", 4)
        assert show.running.status()["instruments"]["changes"] == []

    on(house, play)


def test_only_the_last_changes_are_shown(lists: Lists, house: House) -> None:
    house.config = msgspec.structs.replace(house.config, audit=AuditConfig(enabled=False, instruments_h=0.02))

    async def play(show: Show) -> None:
        before = listed(show)
        for number in range(1, 24):
            lists.says = [replace(each, tick=D(number)) for each in before]
            await asyncio.sleep(80)  # a reading comes every 72 s
        changes = show.running.status()["instruments"]["changes"]
        assert [each["changed"] for each in (changes[0], changes[-1])] == ["tick 3 -> 4", "tick 22 -> 23"]
        assert len(changes) == 20

    on(house, play)


def test_none_is_read_where_the_configuration_says_so(lists: Lists, house: House) -> None:
    house.config = msgspec.structs.replace(house.config, audit=AuditConfig(enabled=False, instruments_h=0.0))

    async def play(show: Show) -> None:
        await asyncio.sleep(2 * HOUR_S)
        assert "instruments" not in show.running.status()
        assert len(lists.asked) == 1

    on(house, play)


def test_another_native_name_is_told_once(lists: Lists, house: House) -> None:
    async def play(show: Show) -> None:
        btc, eth = listed(show)
        lists.says = [replace(btc, native="XBTUSDT"), eth]
        await asyncio.sleep(3 * HOUR_S)
        (change,) = show.running.status()["instruments"]["changes"]
        assert change["changed"] == "native BTCUSDT -> XBTUSDT"

    on(house, play)
