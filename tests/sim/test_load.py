"""Files to a source: several tapes as one, times filled in, and what cannot be read named."""

import gzip
import json
from pathlib import Path

import pytest
import toy_venue as toy

from tapeline.errors import ConfigError
from tapeline.model.topic import Topic
from tapeline.sim.load import recording
from tapeline.venues.spec import Ask


def line(frame: bytes, at_s: float | None, direction: str = "in") -> str:
    at = {} if at_s is None else {"t": toy.START_NS / 1e9 + at_s}
    return json.dumps({**at, "conn": "x", "dir": direction, "raw": frame.decode()})


def test_tapes_play_in_order_as_one(tmp_path: Path) -> None:
    one, two, rest = tmp_path / "1.ws.jsonl", tmp_path / "2.ws.jsonl.gz", tmp_path / "1.rest.jsonl"
    frames = [toy.trade(n, at_s=n)[1] for n in range(4)]
    one.write_text("\n".join([line(b"", 0, "open"), line(frames[0], 0), line(frames[2], 2), line(frames[3], None)]))
    two.write_bytes(gzip.compress("\n".join([line(frames[1], 1), line(b"x y z", 1, "out"), "nonsense"]).encode()))
    answers = [
        {"t": 1.0, "method": "GET", "url": "https://toy.example/instruments", "status": 200, "body": "[]"},
        {"t": 2.0, "method": "GET", "url": "https://toy.example/instruments", "status": 500, "body": "oops"},
    ]
    rest.write_text("\n".join(map(json.dumps, answers)))
    source = recording(toy.TOY, [two, one], [rest])
    assert source.topics == [Topic("trades", "AB")]
    assert [frame for _, _, frame in source.take(None, 99, ())] == frames
    assert source.at_ns == toy.START_NS + 2 * 10**9
    assert source.answer(Ask("instruments"), toy.START_NS) == b"[]"


def test_what_cannot_be_played(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file: .*gone"):
        recording(toy.TOY, [tmp_path / "gone"])
    tape = tmp_path / "t.ws.jsonl"
    tape.write_text("nonsense\n" + line(b"pong", 0))
    with pytest.raises(ConfigError, match=r"1 lines, none of them a market frame of toy; the first problem: .*:1:"):
        recording(toy.TOY, [tape])
    with pytest.raises(ConfigError, match="no such file"):
        recording(toy.TOY, [tape], [tmp_path / "gone.rest.jsonl"])
