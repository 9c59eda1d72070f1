from decimal import Decimal

import pytest

from tapeline.app.symbols import Symbols
from tapeline.errors import UnknownInstrument
from tapeline.model.instrument import Instrument

BTC = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
ETH = Instrument(venue="binance", symbol="ETH/USDT", native="ETHUSDT", kind="spot", base="ETH", quote="USDT")


def test_an_instrument_is_found_by_unified_and_by_native_name() -> None:
    symbols = Symbols("binance")
    assert symbols.learn([BTC, ETH]) == [BTC, ETH]
    assert symbols.find("BTC/USDT") is BTC
    assert symbols.find("ETHUSDT") is ETH
    assert symbols.find("ethusdt") is ETH


def test_learning_again_tells_only_what_changed() -> None:
    symbols = Symbols("binance")
    symbols.learn([BTC, ETH])
    finer = Instrument(
        venue="binance",
        symbol="ETH/USDT",
        native="ETHUSDT",
        kind="spot",
        base="ETH",
        quote="USDT",
        tick=Decimal("0.01"),
    )
    assert symbols.learn([BTC, finer]) == [finer]
    assert symbols.find("ETH/USDT").tick == Decimal("0.01")


def test_an_unknown_symbol_names_the_nearest() -> None:
    symbols = Symbols("binance")
    symbols.learn([BTC, ETH])
    with pytest.raises(UnknownInstrument, match="binance lists no 'BTC/USD': did you mean BTC/USDT"):
        symbols.find("BTC/USD")


def test_an_empty_list_is_said_to_be_empty() -> None:
    with pytest.raises(UnknownInstrument, match="its instrument list is empty"):
        Symbols("okx").find("BTC/USDT")


def test_what_is_on_no_list_goes_by_the_venues_own_name() -> None:
    symbols = Symbols("binance")
    symbols.learn([BTC])
    assert symbols.id_of("BTCUSDT") == "binance:BTC/USDT"
    assert symbols.id_of("NEWUSDT") == "binance:NEWUSDT"
