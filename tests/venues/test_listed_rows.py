"""Rows of an instrument list, one by one."""

import msgspec
import pytest

from tapeline.errors import BadData
from tapeline.model.instrument import Instrument
from tapeline.venues import venue_named
from tapeline.venues.listed_rows import not_all_bad, read_listed
from tapeline.venues.spec import Ask, Unreadable

BTC = Instrument(venue="v", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")


def raws(*rows: object) -> list[msgspec.Raw]:
    return [msgspec.Raw(msgspec.json.encode(row)) for row in rows]


def read(row: msgspec.Raw) -> Instrument:
    found = msgspec.json.decode(row)
    if "missing" in found:
        raise KeyError("missing")
    if "bad" in found:
        raise BadData("of an unknown type")
    assert found["name"] == "BTCUSDT"
    return BTC


def test_one_row_takes_none_of_the_others_with_it() -> None:
    found = read_listed(
        raws({"name": "BTCUSDT"}, {"name": "X", "bad": 1}, {"name": "Y", "missing": 1}, {"name": "BTCUSDT"}), read,
        name="name",
    )  # fmt: skip
    assert found == [BTC, Unreadable("X", "of an unknown type"), Unreadable("Y", "'missing'"), BTC]
    assert not_all_bad(found, "the list") is found


@pytest.mark.parametrize("row", [{"bad": 1}, {"name": 7, "bad": 1}, {"name": None, "bad": 1}, ["bad"]])
def test_a_row_may_not_even_say_its_name(row: object) -> None:
    (found,) = read_listed(raws(row), read, name="name")
    assert found == Unreadable("", "of an unknown type")


def test_a_list_of_which_nothing_can_be_read_is_bad() -> None:
    found = read_listed(raws({"name": "X", "bad": 1}, {"name": "Y", "bad": 1}), read, name="name")
    with pytest.raises(BadData, match="the list cannot be read, in none of its 2 rows: of an unknown type"):
        not_all_bad(found, "the list")
    assert not_all_bad([], "the list") == [], "an empty list is one"


@pytest.mark.parametrize("name", ["binance", "binance-usdm", "okx"])
def test_venues_read_their_lists_so(name: str) -> None:
    venue = venue_named(name)
    assert venue.server is not None
    part = venue.rest["instruments"].parts[0] if name != "binance-usdm" else ""
    whole = msgspec.json.decode(
        venue.server.answer_rest(Ask("instruments", part=part), venue.server.sample_instruments)
    )
    key, native = ("data", "instId") if name == "okx" else ("symbols", "symbol")
    good = venue.rest["instruments"].parse(msgspec.json.encode(whole), Ask("instruments", part=part), {}, 1)
    broken = {native: whole[key][0][native], "instType": "SPOT", "filters": [7], "lotSz": ["x"]}
    found = venue.rest["instruments"].parse(
        msgspec.json.encode(whole | {key: [broken, *whole[key][1:]]}), Ask("instruments", part=part), {}, 1
    )
    assert isinstance(found[0], Unreadable)
    assert found[0].native == broken[native]
    assert list(found[1:]) == list(good[1:])
    with pytest.raises(BadData):
        venue.rest["instruments"].parse(
            msgspec.json.encode(whole | {key: [{"filters": 7}, 7]}), Ask("instruments", part=part), {}, 1
        )
