"""`tapeline websocket` where nothing runs: the last word, overrides for the next start, and bad usage."""

import importlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tapeline.app.trial import STEPS, Step, Trial
from tapeline.app.trying import Target
from tapeline.control import Overrides, StatusFile, read_overrides
from tapeline.surfaces.cli import main


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["websocket", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_last_word_of_an_instance_that_has_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"instrument": "a:B/C", "channels": ["trades"], "mode": "auto", "uses": "polling", "why": "it failed"}
    StatusFile(tmp_path / "status.json").write(
        {"state": "stopped", "pid": 1, "written_at_ns": 1, "connections": [{"connection": "a/1", "state": "live"}],
         "modes": [row], "books": ["left out"]}
    )  # fmt: skip
    assert run("status", "--store", str(tmp_path), "--json") in (0, None)
    told = capsys.readouterr()
    assert json.loads(told.out) == {
        "state": "stopped", "connections": [{"connection": "a/1", "state": "live"}], "modes": [row],
    }  # fmt: skip
    assert "has stopped; this is its last word" in told.err
    assert run("status", "--store", str(tmp_path)) in (0, None)
    assert "instrument=a:B/C channels=trades mode=auto uses=polling why=it failed" in capsys.readouterr().out


def test_a_mode_is_set_for_the_next_start_and_cleared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ("--store", str(tmp_path))
    assert run("config", *store, "--set-mode", "polling", "--json") in (0, None)
    told = capsys.readouterr()
    assert json.loads(told.out) == {"overrides": {"mode": "polling", "instruments": {}}, "modes": []}
    assert "it holds from the next start on" in told.err
    run("config", *store, "--set-mode", "hybrid", "--instrument", "a:B/C")
    assert read_overrides(tmp_path) == Overrides("polling", {"a:B/C": "hybrid"})
    run("config", *store, "--clear", "--instrument", "a:B/C")
    assert read_overrides(tmp_path) == Overrides("polling")
    capsys.readouterr()
    run("config", *store, "--json")
    assert json.loads(capsys.readouterr().out)["overrides"]["mode"] == "polling"
    (tmp_path / "overrides.json").write_text("{")
    assert run("config", *store) == 2
    assert run("config", *store, "--clear") in (0, None)
    assert not (tmp_path / "overrides.json").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("config", "--set-mode", "auto", "--clear", "--store", "x"), "--set-mode and --clear at once"),
        (("config", "--set-mode", "auto", "--store", "/nowhere/at/all"), "there is no store"),
        (("config",), "which store?"),
        (("test",), "test what?"),
        (("test", "--venue", "nowhere"), "unknown venue 'nowhere'"),
        (("test", "--venue", "binance", "--timeout", "0"), "more than none"),
        (("test", "--venue", "binance", "--channel", "funding"), "binance has no channel 'funding'"),
    ],
)
def test_bad_usage(words: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 2
    assert text in capsys.readouterr().err


def test_a_configuration_without_streams_has_nothing_to_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    (tmp_path / "t.toml").write_text('[store]\npath = "x"\n')
    assert run("test", "--config", str(tmp_path / "t.toml")) == 2
    assert "nothing to test" in capsys.readouterr().err


WORKED = Trial("okx", "public", "ws://h/public", "trades BTC-USDT", [Step(name, "ok", 0.0125, "") for name in STEPS])
FAILED = Trial("okx", "business", "ws://h/business", "bars:1m BTC-USDT", [
    Step("dns", "skipped", None, "an address"), Step("tcp", "failed", 1.5, "refused: is something there?"),
])  # fmt: skip


def tried(monkeypatch: pytest.MonkeyPatch, *trials: Trial) -> list[Target]:
    """What a test is asked to try, once it is run; it comes to these trials. Sockets are in tests/sockets."""
    asked = list[Target]()

    async def try_targets(targets: Sequence[Target], within_s: float) -> list[Trial]:
        assert within_s == 7.0
        asked.extend(targets)
        return list(trials)

    monkeypatch.setattr(importlib.import_module("tapeline.surfaces.cli.websocket"), "try_targets", try_targets)
    return asked


def test_each_stream_of_a_configuration_is_tried_at_its_own_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t.toml").write_text(
        '[store]\npath = "x"\n[venue.okx]\nws_url = "ws://shared"\nrest_url = "http://shared"\n'
        '[[stream]]\nvenue = "okx"\nsymbols = ["BTC/USDT", "ETH/USDT"]\nchannels = ["trades", "bars:1m"]\n'
        '[[stream]]\nvenue = "binance"\nsymbols = ["BTC/USDT"]\nchannels = ["quotes"]\nws_url = "ws://own"\n'
        "ack_s = 3.5\n"
    )
    asked = tried(monkeypatch, WORKED, FAILED)
    assert run("test", "--config", str(tmp_path / "t.toml"), "--timeout", "7") == 1
    assert capsys.readouterr().out.splitlines() == [
        "okx public ws://h/public (trades BTC-USDT)",
        *(f"  {name:<10} ok           12.5 ms" for name in STEPS),
        "  ok",
        "okx business ws://h/business (bars:1m BTC-USDT)",
        "  dns        skipped            -  an address",
        "  tcp        failed     1500.0 ms  refused: is something there?",
        "  failed at tcp",
    ]
    okx, binance = asked
    assert (okx.venue, okx.symbol, okx.channels) == ("okx", "BTC/USDT", ("trades", "bars:1m"))
    assert (okx.ws_url, okx.rest_url) == ("ws://shared", "http://shared")
    assert (binance.ws_url, binance.rest_url, binance.settings.ack_s) == ("ws://own", None, 3.5)


def test_a_venue_that_brings_data_is_success_also_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = tried(monkeypatch, WORKED)
    words = ("--venue", "okx", "--symbol", "ETH/USDT", "--channel", "quotes", "--ws-url", "ws://h")
    assert run("test", *words, "--timeout", "7", "--json") in (0, None)
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["venue"], told["topic"], told["ok"]) == ("okx", "trades BTC-USDT", True)
    assert told["steps"][0] == {"name": "dns", "state": "ok", "took_s": 0.0125, "text": ""}
    assert asked == [Target(venue="okx", symbol="ETH/USDT", channels=("quotes",), ws_url="ws://h")]


def test_nothing_tried_is_no_success(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    tried(monkeypatch)
    assert run("test", "--venue", "okx", "--timeout", "7") == 1
    assert capsys.readouterr().out == ""
