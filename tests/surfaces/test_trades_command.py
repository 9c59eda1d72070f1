import json
from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.model.event import Trade
from tapeline.model.instrument import Instrument
from tapeline.store.series import SeriesStore
from tapeline.surfaces.cli import main

BTC = "binance:BTC/USDT"
PERP = "binance-usdm:BTC/USDT:USDT"
AT_NS = 1_723_161_255_342_000_000
HEADER = "ts_ms,id,taker_side,price,qty,at_ns,received_ns,source"


def trade(number: int, instrument: str = BTC, channel: str = "trades", price: str = "61837.63000000") -> Trade:
    at_ns = AT_NS + number * 1_000_000
    return Trade(
        instrument, channel, at_ns, at_ns + 5, "ws", str(number), number, "sell", Decimal(price), Decimal("2E-8")
    )


@pytest.fixture
def store(tmp_path: Path) -> str:
    held = SeriesStore(tmp_path)
    eth = Instrument(venue="binance", symbol="ETH/USDT", native="ETHUSDT", kind="spot", base="ETH", quote="USDT")
    precise = trade(10, price="0.12345678901234567890123")
    held.write([trade(11), precise, trade(9), trade(7, channel="aggtrades"), trade(1, PERP, "aggtrades"), eth])
    held.close()
    return str(tmp_path)


def ended(*arguments: str, code: int) -> None:
    with pytest.raises(SystemExit) as end:
        main(["trades", *arguments])
    assert (end.value.code or 0) == code


def ids(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    ended(*arguments, "--format", "csv", code=0)
    header, *rows = capsys.readouterr().out.splitlines()
    assert header == HEADER
    return [row.split(",")[1] for row in rows]


def test_csv_to_the_letter_in_venue_order(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    ended(BTC, "--store", store, "--format", "csv", "--to", str(AT_NS + 11_000_000), code=0)
    assert capsys.readouterr().out == (
        f"{HEADER}\n"
        "1723161255351,9,sell,61837.63,0.00000002,1723161255351000000,1723161255351000005,ws\n"
        "1723161255352,10,sell,0.12345678901234567890123,0.00000002,1723161255352000000,1723161255352000005,ws\n"
    )


def test_from_is_inclusive(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ids(capsys, BTC, "--store", store, "--from", "2024-08-08T23:54:15.352Z") == ["10", "11"]
    assert ids(capsys, BTC, "--store", store, "--from", "2024-08-09") == []


def test_the_channel_is_trades_where_they_are_held_else_aggtrades(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ids(capsys, BTC, "--store", store) == ["9", "10", "11"]
    assert ids(capsys, BTC, "--store", store, "--channel", "aggtrades") == ["7"]
    assert ids(capsys, PERP, "--store", store) == ["1"]


def test_json_is_an_object_a_line(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    ended(PERP, "--store", store, "--format", "json", code=0)
    assert json.loads(capsys.readouterr().out) == {
        "ts_ms": 1723161255343, "id": "1", "taker_side": "sell", "price": "61837.63", "qty": "0.00000002",
        "at_ns": AT_NS + 1_000_000, "received_ns": AT_NS + 1_000_005, "source": "ws",
    }  # fmt: skip


def test_a_known_instrument_of_which_nothing_is_held_has_no_trades(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["binance:ETH/USDT"], [PERP, "--channel", "trades"]):
        ended(*arguments, "--store", store, "--format", "csv", code=0)
        out, err = capsys.readouterr()
        assert out == f"{HEADER}\n"
        assert arguments[0] in err


def test_an_unknown_instrument_ends_with_two_and_the_nearest(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    ended("binance:BTCUSDT", "--store", store, code=2)
    out, err = capsys.readouterr()
    assert out == ""
    assert "holds no 'binance:BTCUSDT'; it holds binance:BTC/USDT" in err


def test_bad_usage_ends_with_two(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    ended(BTC, "--store", f"{store}/none", code=2)
    assert "no store at" in capsys.readouterr().err
    ended(BTC, "--store", store, "--channel", "quotes", code=2)
