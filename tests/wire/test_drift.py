import json
from collections.abc import Mapping

from tapeline.wire.drift import LEARNING, MOST_KINDS, Drift

TRADE = {"stream": "btcusdt@trade", "data": {"e": "trade", "p": "1", "q": "2", "levels": [["1", "2"]]}}


def learned(drift: Drift, *examples: Mapping[str, object]) -> None:
    for i in range(LEARNING):
        assert drift.look("trades", json.dumps(examples[i % len(examples)]).encode()) == []


def test_a_new_field_is_told_once() -> None:
    drift = Drift()
    learned(drift, TRADE)
    more = json.dumps(TRADE | {"data": TRADE["data"] | {"st": 1}}).encode()  # type: ignore[operator]  # a dict
    assert drift.look("trades", more) == ["trades: new field data.st"]
    assert drift.look("trades", more) == []


def test_a_field_that_was_always_there_and_is_gone_is_told_once() -> None:
    drift = Drift()
    learned(drift, TRADE)
    less = json.dumps({"stream": "x", "data": {"e": "trade", "p": "1", "levels": []}}).encode()
    assert drift.look("trades", less) == ["trades: field data.q is gone"]
    assert drift.look("trades", less) == []
    assert drift.look("trades", json.dumps(TRADE).encode()) == []


def test_optional_fields_are_learned_as_such() -> None:
    drift = Drift()
    learned(drift, {"a": 1}, {"a": 1, "b": 2})
    assert drift.look("trades", b'{"a":1}') == []
    assert drift.look("trades", b'{"a":1,"b":2}') == []


def test_lists_are_judged_by_their_first_element_not_by_their_length() -> None:
    drift = Drift()
    learned(drift, {"data": [{"px": "1"}]})
    assert drift.look("trades", b'{"data":[{"px":"1"},{"px":"2"}]}') == []
    assert drift.look("trades", b'{"data":[{"px":"1","sz":"3"}]}') == ["trades: new field data.[].sz"]


def test_what_cannot_be_read_is_left_to_the_decoder() -> None:
    drift = Drift()
    assert drift.look("trades", b"pong") == []
    assert drift.look("trades", b"\xff") == []


def test_kinds_are_bounded() -> None:
    drift = Drift()
    for i in range(MOST_KINDS + 10):
        drift.look(str(i), b'{"a":1}')
    assert len(drift._shapes) == MOST_KINDS
