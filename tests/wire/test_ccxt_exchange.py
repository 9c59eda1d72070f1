"""ccxt itself: imported when it is needed and not before, and its objects made as we want them."""

import asyncio
import logging
import socket
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from ccxt_fakes import KEY, SECRET, FakeExchange
from tapeline.errors import ConfigError
from tapeline.venues.ccxt import Place
from tapeline.wire.ccxt.bridge import Bridge
from tapeline.wire.ccxt.exchange import Reach, knows_client_ids, let_in, made, names_of, scrubbed

HERE = Place("fakex")


def library(monkeypatch: pytest.MonkeyPatch, cls: Any = FakeExchange) -> None:
    """ccxt, as far as it is imported."""
    for name, exchanges in (("ccxt", ()), ("ccxt.pro", ("fakex",)), ("ccxt.async_support", ("fakex", "restonly"))):
        module = ModuleType(name)
        module.exchanges = list(exchanges)  # type: ignore[attr-defined]  # it is a stand-in
        for each in exchanges:
            setattr(module, each, cls)
        monkeypatch.setitem(sys.modules, name, module)


def make(place: Place = HERE, **reach: Any) -> Any:
    return asyncio.run(made(place, Reach(**reach), within_s=7.0))


def test_neither_the_package_nor_the_command_line_imports_ccxt() -> None:
    """Nor does anything that knows of it: only asking an exchange does."""
    program = (
        "import sys\n"
        "import tapeline, tapeline.surfaces.cli, tapeline.app.trade.trading, tapeline.wire.ccxt.bridge\n"
        "from tapeline.venues import venue_named\n"
        "from tapeline.wire.rest import real_fetch\n"
        "from tapeline.wire.transport import real_dial\n"
        "venue_named('ccxt-bitstamp'), real_dial()\n"
        "for name in ('trade', 'halt', 'watchdog', 'run'): __import__('tapeline.surfaces.cli.' + name)\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('ccxt', 'aiohttp')])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ccxt", "ccxt.pro", "ccxt.async_support"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"ccxt is not installed: pip install tapeline\[ccxt\]"):
        make()

    async def asked() -> None:
        async with Bridge().dial("ccxt://fakex/spot"):
            pass

    with pytest.raises(ConfigError, match="pip install"):
        asyncio.run(asked())


def test_an_exchange_that_ccxt_does_not_know_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    library(monkeypatch)
    with pytest.raises(ConfigError, match="ccxt has no exchange 'fakes': did you mean ccxt-fakex"):
        make(Place("fakes"))
    with pytest.raises(ConfigError, match=r"ccxt has no exchange 'zzz'$"):
        make(Place("zzz"))
    assert make(Place("restonly")).config["timeout"] == 7000


def test_an_exchange_is_exact_quiet_and_paced(monkeypatch: pytest.MonkeyPatch) -> None:
    library(monkeypatch)
    settings = {"httpsProxy": "http://127.0.0.1:8118", "options": {"recvWindow": 9}}
    exchange = make(Place("fakex", "swap"), settings=settings)
    assert exchange.number is str
    assert exchange.config["enableRateLimit"] is True
    assert exchange.config["httpsProxy"] == "http://127.0.0.1:8118"
    assert exchange.options["defaultType"] == "swap"
    assert exchange.options["recvWindow"] == 9
    assert exchange.logger.getEffectiveLevel() == logging.WARNING
    assert exchange.logger.parent is None
    assert exchange.urls["api"]["rest"] == "https://api.fakex.com/v2"


def test_another_host_and_the_test_network(monkeypatch: pytest.MonkeyPatch) -> None:
    library(monkeypatch)
    there = make(rest_url="http://127.0.0.1:1/", ws_url="ws://127.0.0.1:2")
    assert there.urls["api"] == {"rest": "http://127.0.0.1:1/v2", "ws": "ws://127.0.0.1:2/v2"}
    assert not there.sandbox
    with pytest.raises(ConfigError, match=r"ccxt knows no test network of fakex .*: set testnet = false"):
        make(Place("fakex", sandbox=True))

    class WithSandbox(FakeExchange):
        def __init__(self, config: Any = None) -> None:
            super().__init__(config)
            self.urls["test"] = self.urls["api"]
            self.urls["api"] = {"rest": "https://api.fakex.com", "word": "no address", "ws": 5}

    library(monkeypatch, WithSandbox)
    exchange = make(Place("fakex", sandbox=True), ws_url="ws://127.0.0.1:2")
    assert exchange.sandbox
    assert exchange.urls["api"] == {"rest": "https://api.fakex.com", "word": "no address", "ws": 5}


def test_keys_by_what_an_exchange_calls_them() -> None:
    exchange: Any = FakeExchange()
    let_in(exchange, {"key": KEY, "secret": SECRET, "passphrase": "words"})
    assert (exchange.apiKey, exchange.secret, exchange.password) == (KEY, SECRET, "words")
    exchange.requiredCredentials = {"walletAddress": True, "privateKey": True}
    let_in(exchange, {"key": "0xabc", "secret": SECRET})
    assert (exchange.walletAddress, exchange.privateKey, exchange.password) == ("0xabc", SECRET, None)
    exchange.requiredCredentials = {"privateKey": True}
    let_in(exchange, {"key": "", "secret": SECRET})
    assert exchange.privateKey == SECRET


def test_who_reads_client_ids() -> None:
    class Adapter:
        def create_order(self, params: Any) -> Any:
            return params["clientOrderId"]

        def cancel_order(self, params: Any) -> Any:
            return [each for each in params if each == "clientOrderId"]

        def fetch_order(self, params: Any) -> Any:
            return params["label"]

    class Below(Adapter):
        pass

    assert knows_client_ids(Below(), "create", "order")
    assert knows_client_ids(Below(), "cancel_order")
    assert not knows_client_ids(Below(), "fetch_order")
    Adapter.__module__ = "ccxt.base.exchange"
    Below.__module__ = "ccxt.fakex"

    class Inherits(Below):
        pass

    assert not knows_client_ids(Inherits(), "create", "order"), "what every exchange inherits says nothing of this one"


def test_names_of_errors_and_words_without_secrets() -> None:
    error = KeyError("x")
    error.__cause__ = OSError("host unknown")
    assert names_of(error) == ["KeyError", "LookupError"]
    error.__cause__ = socket.gaierror("host unknown")
    assert names_of(error) == ["gaierror", "KeyError", "LookupError"]
    said = "GET https://x/y?key=1&sign=2 failed for " + SECRET
    assert scrubbed(said, {"secret": SECRET, "passphrase": ""}) == "GET https://x/y?*** failed for ***"
    assert len(scrubbed("x" * 9000, {})) == 500
