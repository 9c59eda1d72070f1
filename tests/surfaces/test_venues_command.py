from dataclasses import replace

import pytest

from tapeline import venues as registry
from tapeline.surfaces.cli import main
from tapeline.venues.spec import Heartbeat, Limits, Venue

SOME = Venue(
    name="zeta",
    urls={"public": "wss://zeta.test", "rest": "https://zeta.test"},
    feeds={},
    heartbeat=Heartbeat(every_s=20, silence_s=60),
    limits=Limits(
        topics_per_connection=1, topics_per_request=1, messages_per_s=1, connections_per_window=1, window_s=1
    ),
    decoder=lambda _name, _instruments: lambda _frame, _received_ns: (),
    requests=lambda _subscribe: (),
    rest={},
)


def test_one_name_a_line_in_order(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(registry, "_BUILT_IN", (SOME, replace(SOME, name="alpha-perp")))
    registry.venues.cache_clear()
    try:
        with pytest.raises(SystemExit) as ended:
            main(["venues"])
    finally:
        registry.venues.cache_clear()
    assert ended.value.code == 0
    assert capsys.readouterr() == ("alpha-perp\nzeta\n", "")
