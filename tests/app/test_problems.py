from structlog.testing import capture_logs

from tapeline.app.problems import KINDS_MOST, Problems


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def wall_ns(self) -> int:
        return int(self.at * 1e9)


def test_all_are_counted_and_few_are_logged() -> None:
    clock = Clock()
    problems = Problems(clock)
    with capture_logs() as lines:
        for _ in range(5):
            problems.note("okx", "okx/public/1#1", "bad_json", "not JSON", b"{oops" * 100)
        clock.at = 11.0
        problems.note("okx", "okx/public/1#1", "bad_json", "not JSON", b"{again")
    assert problems.by_kind() == {"okx": {"bad_json": 6}}
    assert [(line["venue"], line["kind"], line.get("not_logged")) for line in lines] == [
        ("okx", "bad_json", None),
        ("okx", "bad_json", 4),
    ]
    assert lines[0]["frame"] == ("{oops" * 100)[:200]
    assert lines[0]["connection"] == "okx/public/1#1"


def test_bytes_that_are_no_text_are_shown_escaped() -> None:
    with capture_logs() as lines:
        Problems(Clock()).note("okx", "", "bad_json", "invalid UTF-8", b"\xff\xfe")
    assert lines[0]["frame"] == "\\xff\\xfe"
    assert "connection" not in lines[0]
    assert "topic" not in lines[0]


def test_the_topic_is_told_where_it_is_known() -> None:
    with capture_logs() as lines:
        Problems(Clock()).note("okx", "", "schema", "no price", b"{}", topic="trades BTC-USDT")
    assert lines[0]["topic"] == "trades BTC-USDT"


def test_kinds_are_bounded() -> None:
    problems = Problems(Clock())
    with capture_logs():
        for i in range(KINDS_MOST + 50):
            problems.note("okx", "", f"kind{i}", "", b"")
    assert len(problems.counts) == KINDS_MOST + 1
    assert problems.counts["okx", "other"] == 50
