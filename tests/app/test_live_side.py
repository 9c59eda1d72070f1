"""What a live side is set up with: addresses, instruments, and what it refuses before anything is asked."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from tapeline.app.trade.live_side import LiveAccount, LiveSide, _known, _placed, _told_at
from tapeline.config import Config, load
from tapeline.errors import ConfigError
from tapeline.model.instrument import Instrument
from tapeline.venues import venue_named

BTC, ETH, OTHER = (
    Instrument(venue=venue, symbol=f"{base}/USDT", native=f"{base}USDT", kind="spot", base=base, quote="USDT")
    for venue, base in (("binance", "BTC"), ("binance", "ETH"), ("okx", "SOL"))
)


def test_a_venue_that_takes_no_orders_is_refused_with_what_to_do() -> None:
    config = load(None, {"TAPELINE_ACCOUNT__MAIN__VENUE": "binance"})
    desk = SimpleNamespace(venue=replace(venue_named("binance"), orders=None))
    nothing = cast("Any", None)
    with pytest.raises(ConfigError, match=r"account\.main: binance takes no orders from Tapeline yet: trade it"):
        LiveAccount(
            "main", config, nothing, nothing, cast("Any", desk), instance=nothing, books=nothing, environ={},
            clock=nothing, tell=nothing, told=nothing,
        )  # fmt: skip


def test_addresses_are_those_of_the_test_network_or_of_the_configuration() -> None:
    venue = venue_named("binance")
    assert _placed(Config(), "binance", venue, testnet=False) is venue
    testnet = _placed(Config(), "binance", venue, testnet=True)
    assert testnet.urls["rest"] == "https://testnet.binance.vision"
    here = load(None, {
        "TAPELINE_VENUE__BINANCE__REST_URL": "http://127.0.0.1:7", "TAPELINE_VENUE__BINANCE__WS_URL": "ws://127.0.0.1:8",
    })  # fmt: skip
    placed = _placed(here, "binance", venue, testnet=False)
    assert {url.split("/")[2] for url in placed.urls.values()} == {"127.0.0.1:7", "127.0.0.1:8"}
    assert placed.orders is not None
    told = _told_at(placed, placed.orders)
    assert told["rest"].startswith("http://127.0.0.1:7")
    assert set(told) < set(placed.urls), "a public stream is no account's"


def test_what_the_journal_still_has_something_of_is_known_too() -> None:
    def order(name: str) -> Any:
        return SimpleNamespace(intent=SimpleNamespace(instrument=name))

    restored = SimpleNamespace(
        blotter=SimpleNamespace(live=lambda _account: [order(ETH.id), order("binance:GONE/USDT")]),
        ledger=SimpleNamespace(holdings=lambda _account: {(OTHER.id, "net"): SimpleNamespace(size=1)}),
        instruments={ETH.id: ETH, OTHER.id: OTHER},
    )
    setup = SimpleNamespace(
        instruments={BTC.id: BTC, OTHER.id: OTHER}, accounts={"main": SimpleNamespace(venue="binance")}
    )
    assert _known(cast("Any", setup), cast("Any", restored), "binance") == {BTC.id: BTC, ETH.id: ETH, OTHER.id: OTHER}
    assert _known(cast("Any", setup), cast("Any", restored), "okx") == {OTHER.id: OTHER}


def test_an_account_that_is_not_ready_in_time_says_what_its_stream_says() -> None:
    side = LiveSide.__new__(LiveSide)
    refused = "step 1 of the opening was refused: binance order of the account: -2015 Invalid API-key"
    stream = SimpleNamespace(why=refused)
    side.accounts = {
        "main": cast("Any", SimpleNamespace(hold=lambda: "not reconciled yet", gateway=SimpleNamespace(stream=stream))),
        "other": cast("Any", SimpleNamespace(hold=lambda: "")),
    }
    with capture_logs() as said:
        asyncio.run(side.ready(0.0))
    assert said == [
        {"event": "not ready", "log_level": "error", "account": "main", "why": "not reconciled yet", "stream": refused}
    ]
