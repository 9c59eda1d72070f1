"""`tapeline serve-venue --paper --live` beside the venue it passes on, both as processes, and a client that trades."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect

from tapeline.model.order import Intent
from tapeline.sim.paper.keys import Key
from tapeline.surfaces import live_options
from tapeline.surfaces.cli import main
from tapeline.venues import venue_named
from tapeline.venues.orders import OrderAsk
from tapeline.venues.request import Request

pytestmark = pytest.mark.sockets

COMMAND = [sys.executable, "-c", "from tapeline.surfaces.cli import main; main()", "serve-venue", "binance"]
LOGIN = Key(key="visible", secret="hidden", account="paper")
KEYS = ["--paper", "--key", "visible", "--secret", "hidden"]
NOWHERE = ["--ws-url", "ws://127.0.0.1:9", "--rest-url", "http://127.0.0.1:9"]
SUBSCRIBE = '{"method":"SUBSCRIBE","params":["btcusdt@bookTicker"],"id":1}'


@contextmanager
def served(*options: str) -> Iterator[dict[str, str]]:
    """The first line of such a process; it ends well when it is told to."""
    process = subprocess.Popen(  # our own command
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=15)
        assert (process.returncode, out) == (0, "")
        assert "Traceback" not in err
    finally:
        process.kill()
        process.wait()


def sent(rest: str, request: Request) -> Any:
    connection = HTTPConnection(urlsplit(rest).netloc, timeout=15)
    target = request.path + ("?" + request.query_text if request.query else "")
    connection.request(request.method, target, request.body, dict(request.headers))
    body = connection.getresponse().read()
    connection.close()
    return json.loads(body)


def bought(rest: str) -> Any:
    """A market order, as the venue answers it."""
    venue = venue_named("binance")
    assert venue.server is not None
    assert venue.orders is not None
    instrument = venue.server.sample_instruments[0]
    intent = Intent(instrument=instrument.id, side="buy", kind="market", size=Decimal("0.001"))
    ask = OrderAsk(call="place", instrument=instrument, client_id="mine1", intent=intent)
    request = venue.orders.calls["place"].build(ask)
    return sent(rest, venue.orders.sign(request, LOGIN.credentials(), time.time_ns()))


async def offers(url: str, seen: set[Decimal], over: asyncio.Event) -> None:
    """The best offers of this stream, until it is over."""
    async with connect(url + "/stream") as client:
        await client.send(SUBSCRIBE)
        while not over.is_set():
            data = json.loads(await client.recv()).get("data")
            if data:
                seen.add(Decimal(data["a"]))


def test_an_order_is_filled_at_the_price_of_the_venue_that_is_passed_on(tmp_path: Path) -> None:
    async def traded(there: str, here: dict[str, str]) -> tuple[Any, set[Decimal], set[Decimal]]:
        upstream, ours, over = set[Decimal](), set[Decimal](), asyncio.Event()
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            tasks.create_task(offers(there, upstream, over))
            tasks.create_task(offers(here["ws"], ours, over))
            while not ours:  # noqa: ASYNC110  # both streams are there before the order
                await asyncio.sleep(0.05)
            told = await asyncio.to_thread(bought, here["rest"])
            await asyncio.sleep(0.5)
            over.set()
        return told, upstream, ours

    with served("--market", "7") as there:
        config = tmp_path / "there.toml"
        config.write_text(f'[venue.binance]\nws_url = "{there["ws"]}"\nrest_url = "{there["rest"]}"\n')
        live = ["--live", "--config", str(config)]
        with served(*KEYS, *live) as here:
            assert here["rest"] != there["rest"]
            told, upstream, ours = asyncio.run(traded(there["ws"], here))
            bars = "/api/v3/klines?symbol=BTCUSDT&interval=1h&limit=2"
            whole = [sent(each["rest"], Request("GET", bars))[0] for each in (there, here)]
    assert told["status"] == "FILLED"
    assert Decimal(told["fills"][0]["price"]) in upstream
    assert ours & upstream
    assert whole[0] == whole[1]


def test_it_can_be_stopped_while_the_venue_does_not_answer() -> None:
    process = subprocess.Popen(  # our own command
        [*COMMAND, "--live", *NOWHERE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "127.0.0.1:9" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=15)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err


def test_a_venue_that_never_answers_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live_options, "OPEN_WITHIN_S", 0.3)
    monkeypatch.setattr("tapeline.surfaces.cli.serve_venue.configure_logging", lambda _log: None)
    with pytest.raises(SystemExit) as exit_:
        main(["serve-venue", "binance", "--live", *NOWHERE])
    assert exit_.value.code == 1
    assert "binance has not told its instruments within 0.3 s" in capsys.readouterr().err
