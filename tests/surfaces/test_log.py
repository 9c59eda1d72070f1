import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tapeline.config import LogConfig, Secret
from tapeline.errors import ConfigError
from tapeline.surfaces.log import configure_logging


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)
    structlog.reset_defaults()


def json_lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_json_line_carries_what_was_bound_with_the_usual_keys_first() -> None:
    out = io.StringIO()
    configure_logging(LogConfig(format="json"), out)
    with structlog.contextvars.bound_contextvars(venue="v"):
        log = structlog.get_logger("tapeline").bind(connection="v#1")
        log.warning("problem", topic="trades X", frame=b"\xffab", kind="json", key=Secret("hunter2"))
    (line,) = json_lines(out.getvalue())
    timestamp = line.pop("timestamp")
    assert isinstance(timestamp, str)
    assert timestamp.endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "tapeline",
        "event": "problem",
        "venue": "v",
        "topic": "trades X",
        "connection": "v#1",
        "frame": "\\xffab",
        "kind": "json",
        "key": "***",
    }
    assert list(line)[:6] == ["level", "logger", "event", "venue", "topic", "connection"]


def test_a_console_line_is_plain_where_it_is_no_terminal() -> None:
    out = io.StringIO()
    configure_logging(LogConfig(), out)
    structlog.get_logger("tapeline").info("link up", connection="v#1", venue="v", after_s=1.5)
    line = out.getvalue()
    assert "\x1b" not in line
    assert line.index("[info") < line.index("link up") < line.index("venue=v connection=v#1 after_s=1.5")


def test_an_exception_shows_no_local_variables() -> None:
    for form in ("console", "json"):
        out = io.StringIO()
        configure_logging(LogConfig(format=form), out)
        password = "hunter2" * 2  # noqa: F841  # what must not be shown
        try:
            _ = 1 // 0
        except ZeroDivisionError:
            structlog.get_logger("tapeline").exception("failed")
        assert "ZeroDivisionError" in out.getvalue()
        assert "hunter2hunter2" not in out.getvalue()


def test_lines_below_the_level_are_left_out_also_from_loggers_made_before() -> None:
    log = structlog.get_logger("tapeline")
    out = io.StringIO()
    configure_logging(LogConfig(level="warning", format="json"), out)
    log.info("unheard")
    log.warning("heard")
    configure_logging(LogConfig(level="debug", format="json"), out)
    log.debug("heard too")
    assert [line["event"] for line in json_lines(out.getvalue())] == ["heard", "heard too"]


def test_other_libraries_come_the_same_way_and_no_chattier_than_warnings() -> None:
    out = io.StringIO()
    configure_logging(LogConfig(format="json"), out)
    logging.getLogger("httpx2").info("GET /")
    logging.getLogger("httpx2").warning("slow %s", "answer")
    logging.getLogger("else").info("said")
    assert [(line["logger"], line["event"]) for line in json_lines(out.getvalue())] == [
        ("httpx2", "slow answer"),
        ("else", "said"),
    ]


def test_a_file_takes_the_lines_and_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "tapeline.log"
    configure_logging(LogConfig(format="json", file=str(path), max_mb=0.001, keep=2))
    log = structlog.get_logger("tapeline")
    for number in range(60):
        log.info("line", number=number)
    names = sorted(each.name for each in tmp_path.iterdir())
    assert names == ["tapeline.log", "tapeline.log.1", "tapeline.log.2"]
    assert all((tmp_path / name).stat().st_size <= 1048 for name in names)
    kept = [line["number"] for name in reversed(names) for line in json_lines((tmp_path / name).read_text())]
    assert kept == list(range(60 - len(kept), 60))


def test_a_second_call_replaces_the_first(tmp_path: Path) -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logging(LogConfig(format="json", file=str(tmp_path / "x.log")))
    configure_logging(LogConfig(format="json"), first)
    configure_logging(LogConfig(format="json"), second)
    structlog.get_logger("tapeline").info("once")
    assert (tmp_path / "x.log").read_text() == ""
    assert first.getvalue() == ""
    assert [line["event"] for line in json_lines(second.getvalue())] == ["once"]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"log\.file: cannot write .*none.x\.log: No such file or directory"):
        configure_logging(LogConfig(file=str(tmp_path / "none" / "x.log")))
