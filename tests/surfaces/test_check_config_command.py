from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tapeline import venues as registry
from tapeline.surfaces.cli import main
from tapeline.venues.spec import Feed, Heartbeat, Limits, Venue

VENUE = Venue(
    name="zeta-spot",
    urls={"public": "wss://zeta.test", "rest": "https://zeta.test"},
    feeds={kind: Feed(channel=kind, wire_name=kind, endpoint="public") for kind in ("trades", "quotes")},
    heartbeat=Heartbeat(every_s=20, silence_s=60),
    limits=Limits(
        topics_per_connection=1, topics_per_request=1, messages_per_s=1, connections_per_window=1, window_s=1
    ),
    decoder=lambda _name, _instruments: lambda _frame, _received_ns: (),
    requests=lambda _subscribe: (),
    rest={},
)
GOOD = """
seed = 7

[store]
path = "data"

[connection]
overlap_s = 9

[venue.zeta-spot]
silence_s = 45

[[stream]]
venue = "zeta-spot"
symbols = ["BTC/USDT"]
channels = ["trades", "bars:1m@trades"]
ws_url = "ws://me:hunter2@127.0.0.1:9/x?token=hunter3"
ack_s = 3
"""


@pytest.fixture(autouse=True)
def one_venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_BUILT_IN", (VENUE,))
    registry.venues.cache_clear()
    yield
    registry.venues.cache_clear()


@pytest.fixture
def check(tmp_path: Path) -> "Check":
    return Check(tmp_path / "t.toml")


class Check:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, text: str, *arguments: str) -> int:
        self._path.write_text(text)
        with pytest.raises(SystemExit) as ended:
            main(["check-config", "--config", str(self._path), *arguments])
        assert isinstance(ended.value.code, int)
        return ended.value.code


def test_a_sound_one(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(GOOD) == 0
    assert capsys.readouterr() == ("ok\n", "")


def test_every_value_with_its_origin(
    check: Check, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAPELINE_STORE__BATCH_SIZE", "3")
    assert check(GOOD, "--show") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok"
    for line in (
        "repair = true  # default",
        "seed = 7  # file",
        "[store]",
        'path = "data"  # file',
        "batch_size = 3  # environment TAPELINE_STORE__BATCH_SIZE",
        "# tape is not set  # default",
        "overlap_s = 9.0  # file",
        "silence_s = 45.0  # file",
        'symbols = ["BTC/USDT"]  # file',
        "ack_s = 3.0  # file",
    ):
        assert line in lines
    assert lines[lines.index("[[stream]]") :] == [
        "[[stream]]",
        'venue = "zeta-spot"  # file',
        'symbols = ["BTC/USDT"]  # file',
        'channels = ["trades","bars:1m@trades"]  # file',
        "ack_s = 3.0  # file",
        'ws_url = "ws://***@127.0.0.1:9/x"  # file',
        "# inherits silence_s = 45.0  # [venue.zeta-spot]: file",
        "# inherits overlap_s = 9.0  # [connection]: file",
        '# inherits mode = "auto"  # default',
    ]


def test_credentials_are_not_shown(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(GOOD, "--show") == 0
    assert "hunter" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("symbols", "symbls", "stream[0].symbls: unknown key, did you mean symbols?"),
        ('venue = "zeta-spot"', 'venue = "zeta"', "stream[0].venue: unknown venue 'zeta': did you mean 'zeta-spot'?"),
        ("[venue.zeta-spot]", "[venue.zeta]", "venue.zeta: unknown venue 'zeta': did you mean 'zeta-spot'?"),
        ('"trades", ', '"funding", ', "stream[0]: zeta-spot has no channel 'funding'; it has quotes, trades"),
        ('path = "data"', "", "no store: set [store] path, the folder that gets the data"),
    ],
)
def test_an_unsound_one(check: Check, capsys: pytest.CaptureFixture[str], old: str, new: str, fault: str) -> None:
    assert check(GOOD.replace(old, new)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tapeline: ")
    assert err.endswith(f": {fault}\n")


def test_what_a_spot_pair_has_not_is_said_before_it_runs(
    check: Check, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = Feed(channel="mark", wire_name="mark", endpoint="public", kinds=("perpetual", "future"))
    monkeypatch.setattr(registry, "_BUILT_IN", (replace(VENUE, feeds={**VENUE.feeds, "mark": mark}),))
    registry.venues.cache_clear()
    stream = '[store]\npath = "x"\n[[stream]]\nvenue = "zeta-spot"\nchannels = ["mark"]\nsymbols = '
    assert check(stream + '["A/B:B", "A/B"]') == 2
    assert "stream[0]: zeta-spot: mark is for perpetual, future instruments, not for spot" in capsys.readouterr().err
    assert check(stream + '["A/B:B", "A/B:B-251226", "NATIVE"]') == 0


def test_nothing_to_stream(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("[store]\npath = 'x'\n") == 2
    assert "nothing to stream: add a [[stream]] table" in capsys.readouterr().err


def test_where_a_mode_comes_from_and_what_was_set_at_run_time(
    check: Check, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "overrides.json").write_text('{"mode": "hybrid", "instruments": {"a:B/C": "polling"}}')
    assert check('mode = "websocket"\n' + GOOD, "--show") == 0
    lines = capsys.readouterr().out.splitlines()
    for line in (
        'mode = "websocket"  # file',
        '# inherits mode = "websocket"  # mode: file',
        '# overridden: mode = "hybrid"  # overrides.json',
        '# overridden for a:B/C: mode = "polling"  # overrides.json',
    ):
        assert line in lines


def test_what_cannot_be_polled_is_said_before_it_runs(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("enable_websocket = false\n" + GOOD) == 2
    assert "stream[0]: trades of zeta-spot cannot be polled: no REST call brings it whole" in capsys.readouterr().err


ACCOUNTS = """
[account.main]
venue = "zeta-spot"
key = "key-in-a-checked-file"
secret = "secret-in-a-checked-file"
"""


def test_accounts_are_shown_without_their_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tapeline.toml"
    path.write_text(GOOD.replace(', "bars:1m@trades"', "") + ACCOUNTS)
    with pytest.raises(SystemExit) as ended:
        main(["check-config", "--config", str(path), "--show"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert '[account.main]\nvenue = "zeta-spot"  # file\nmode = "paper"  # default' in out
    assert 'secret = "***"  # file' in out
    assert "in-a-checked-file" not in out


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[account.main]\nvenue = 'zeta-sopt'", "account.main.venue: "),
        ("[account.main]\nvenue = 'zeta-spot'\nmode = 'live'", "orders at zeta-spot are simulated only"),
    ],
)
def test_accounts_that_could_not_trade(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, fault: str
) -> None:
    path = tmp_path / "tapeline.toml"
    path.write_text(GOOD.replace(', "bars:1m@trades"', "") + text)
    with pytest.raises(SystemExit) as ended:
        main(["check-config", "--config", str(path)])
    assert ended.value.code == 2
    assert fault in capsys.readouterr().err


def test_a_configuration_of_strategies_needs_no_stream(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trade.toml"
    path.write_text(f'[store]\npath = "{tmp_path}"\n[[strategy]]\nrun = "bot.py:Bot"\n')
    with pytest.raises(SystemExit) as ended:
        main(["check-config", "--config", str(path)])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "ok\n"
