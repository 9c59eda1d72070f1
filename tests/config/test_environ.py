from pathlib import Path
from typing import Any

import pytest

from tapeline.config.environ import overlay, put
from tapeline.config.walk import Given
from tapeline.errors import ConfigError


def laid(raw: dict[str, Any], **environ: str) -> dict[str, Any]:
    overlay(raw, environ)
    return raw


def given(value: str, name: str) -> Given:
    return Given(value, f"environment {name}", text=True)


def test_a_setting_of_a_table_replaces_what_the_file_said() -> None:
    raw = laid({"store": {"path": "a", "batch_size": 3}}, TAPELINE_STORE__PATH="b")
    assert raw == {"store": {"path": given("b", "TAPELINE_STORE__PATH"), "batch_size": 3}}


def test_tables_are_made_where_they_are_missing() -> None:
    assert laid({}, TAPELINE_LOG__LEVEL="debug") == {"log": {"level": given("debug", "TAPELINE_LOG__LEVEL")}}


def test_top_level_settings() -> None:
    assert laid({}, TAPELINE_REPAIR="false") == {"repair": given("false", "TAPELINE_REPAIR")}


def test_streams_are_counted_and_may_be_added() -> None:
    raw = laid(
        {"stream": [{"venue": "a"}]},
        TAPELINE_STREAM__0__SYMBOLS="x,y",
        TAPELINE_STREAM__1__VENUE="b",
    )
    assert raw == {
        "stream": [
            {"venue": "a", "symbols": given("x,y", "TAPELINE_STREAM__0__SYMBOLS")},
            {"venue": given("b", "TAPELINE_STREAM__1__VENUE")},
        ]
    }
    assert laid({}, TAPELINE_STREAM__0__VENUE="b") == {"stream": [{"venue": given("b", "TAPELINE_STREAM__0__VENUE")}]}


def test_venues_are_named_with_hyphens_or_as_the_file_has_them() -> None:
    name = "TAPELINE_VENUE__MY_VENUE__ACK_S"
    assert laid({}, **{name: "1"}) == {"venue": {"my-venue": {"ack_s": given("1", name)}}}
    assert laid({"venue": {"My_Venue": {}}}, **{name: "1"}) == {"venue": {"My_Venue": {"ack_s": given("1", name)}}}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TAPELINE_STORE_PATH", "TAPELINE_STORE__PATH"),
        ("TAPELINE_STORE_PATH_FILE", "TAPELINE_STORE__PATH"),
        ("TAPELINE_LOG_FILE", "TAPELINE_LOG__FILE"),
        ("TAPELINE_STREAM_0_SYMBOLS", "TAPELINE_STREAM__0__SYMBOLS"),
        ("TAPELINE_VENUE_BINANCE_USDM_ACK_S", "TAPELINE_VENUE__BINANCE_USDM__ACK_S"),
        ("TAPELINE_ACCOUNT_MAIN_SECRET", "TAPELINE_ACCOUNT__MAIN__SECRET"),
        ("TAPELINE_RISK_MAX_DAILY_LOSS", "TAPELINE_RISK__MAX_DAILY_LOSS"),
        ("TAPELINE_RISK_ACCOUNT_MAIN_MAX_GROSS", "TAPELINE_RISK__ACCOUNT__MAIN__MAX_GROSS"),
    ],
)
def test_parts_that_one_underscore_joins_are_no_setting_passed_over(name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"^environment {name}: unknown, did you mean {meant}\? Two underscores"):
        laid({}, **{name: "x"})


@pytest.mark.parametrize(
    "name",
    [
        "TAPELINE_SHARED", "TAPELINE_WORLDS", "TAPELINE_STORE__PATH", "PATH", "XTAPELINE_A__B",
        "TAPELINE_STORE_SERVICE_HOST", "TAPELINE_STORE_PORT",
    ],
)  # fmt: skip
def test_what_is_not_ours_or_empty_is_left_alone(name: str) -> None:
    assert laid({}, **{name: "" if "__PATH" in name else "x"}) == {}


def test_what_is_nearly_a_setting_is_taken_for_one_so_that_it_is_told() -> None:
    assert laid({}, TAPELINE_REPIAR="no") == {"repiar": given("no", "TAPELINE_REPIAR")}


def test_a_value_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "path"
    file.write_text("/data/store\n")
    raw = laid({}, TAPELINE_STORE__PATH_FILE=str(file))
    assert raw == {"store": {"path": given("/data/store", "TAPELINE_STORE__PATH_FILE")}}


def test_the_setting_called_file_is_no_file_to_read() -> None:
    assert laid({}, TAPELINE_LOG__FILE="x.log") == {"log": {"file": given("x.log", "TAPELINE_LOG__FILE")}}


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"TAPELINE_STORE__PATH_FILE: cannot read .*none"):
        laid({}, TAPELINE_STORE__PATH_FILE=str(tmp_path / "none"))
    (tmp_path / "latin").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="TAPELINE_STORE__PATH_FILE: cannot read"):
        laid({}, TAPELINE_STORE__PATH_FILE=str(tmp_path / "latin"))


def test_a_value_given_twice_is_ambiguous() -> None:
    with pytest.raises(ConfigError, match="both set"):
        laid({}, TAPELINE_STORE__PATH_FILE="x", TAPELINE_STORE__PATH="y")


@pytest.mark.parametrize(
    ("raw", "name", "message"),
    [
        ({}, "TAPELINE_STREAM__X__VENUE", "stream has 0 tables, counted from 0, and 'x' is none of them"),
        ({"stream": [{}]}, "TAPELINE_STREAM__2__VENUE", "stream has 1 tables, counted from 0, and '2' is none of them"),
        ({"store": 3}, "TAPELINE_STORE__PATH", "store is no table"),
        ({"store": {"path": "x"}}, "TAPELINE_STORE__PATH__X__Y", r"store\.path is no table"),
        ({}, "TAPELINE_STREAM__0", "stream is no table"),
    ],
)
def test_paths_that_lead_nowhere(raw: dict[str, Any], name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"environment {name}: {message}"):
        laid(raw, **{name: "v"})


def test_put_takes_any_origin() -> None:
    raw: dict[str, Any] = {}
    put(raw, ["store", "path"], Given("x", "command line"))
    assert raw == {"store": {"path": Given("x", "command line")}}
