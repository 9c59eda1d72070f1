import pytest

from tapeline.surfaces.status_view import ROWS_MOST, Section, age, plain, sections, shown

STATUS = {
    "version": "0.1.0",
    "pid": 1234567,
    "state": "running",
    "started_at_ns": 1_700_000_000_000_000_000,
    "written_at_ns": 1_700_000_060_000_000_000,
    "gaps": 3,
    "connections": [
        {
            "venue": "v", "connection": "v#1", "endpoint": "public", "state": "live", "topics": 4, "live_topics": 4,
            "age_s": 61.2, "re_dials": 0, "attempts": 0, "outages": 0, "breaker": "closed",
            "last_message_age_s": 0.012, "ping_s": None, "frames": 12345, "bytes": 99, "bad_frames": 0, "reason": "",
        },
        {"connection": "v#2", "state": "backing_off", "reason": "\x1b[31mred[bold]", "unheard_of": 1},
    ],
    "events": {"trade": 1200, "quote": 7},
    "clocks": {"v": {"offset_s": -0.5, "samples": 2, "server_ns": 1_723_161_390_000_000_000}},
    "outages": [],
    "problems": {},
    "store": {"queue_bytes": 2048, "rows": 10, "rows_per_s": 12.5},
    "tags": ["a", "b"],
    "later": [{"what": ["x", "y"], "how": {"a": 1}, "none": None}],
}  # fmt: skip


def test_every_section_that_holds_something_is_shown() -> None:
    assert list(sections(STATUS)) == [
        Section(
            "instance",
            ("", ""),
            (
                ("state", "running"),
                ("pid", "1234567"),
                ("version", "0.1.0"),
                ("started", "2023-11-14 22:13:20Z"),
                ("written", "2023-11-14 22:14:20Z"),
                ("gaps", "3"),
            ),
        ),
        Section(
            "connections",
            ("connection", "state", "topics", "age", "re dials", "attempts", "breaker", "last message age", "frames",
             "reason"),
            (
                ("v#1", "live", "4", "61 s", "0", "0", "closed", "12.0 ms", "12,345", ""),
                ("v#2", "backing_off", "-", "-", "-", "-", "-", "-", "-", "?[31mred[bold]"),
            ),
        ),
        Section("events", ("", ""), (("trade", "1,200"), ("quote", "7"))),
        Section("clocks", ("", ""), (("v offset", "-0.5 s"), ("v samples", "2"), ("v server", "2024-08-08 23:56:30Z"))),
        Section("store", ("", ""), (("queue", "2.0 KiB"), ("rows", "10"), ("rows per s", "12.5"))),
        Section("tags", ("", ""), (("0", "a"), ("1", "b"))),
        Section("later", ("what", "how"), (("x, y", "a 1"),)),
    ]  # fmt: skip


def test_lines_for_a_pipe() -> None:
    lines = list(plain({"state": "running", "books": [{"instrument": "v:A", "synchronised": False}], "n": {"a": 1}}))
    assert lines == [
        "[instance]",
        "state: running",
        "[books]",
        "instrument=v:A synchronised=no",
        "[n]",
        "a: 1",
    ]


def test_a_long_table_is_cut_and_says_so() -> None:
    lines = list(plain({"rows": [{"a": i} for i in range(ROWS_MOST + 5)]}))
    assert len(lines) == ROWS_MOST + 3
    assert lines[-2:] == [f"a={ROWS_MOST - 1}", "... and 5 more"]


def test_a_status_of_nothing() -> None:
    assert list(plain({})) == ["[instance]"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("x", None, "-"),
        ("x", True, "yes"),
        ("x", False, "no"),
        ("x", 1234, "1,234"),
        ("x", 0.5, "0.5"),
        ("pid", 1234, "1234"),
        ("took_ns", 1_500_000, "1.500 ms"),
        ("at_ns", 1_700_000_000_000_000_000, "2023-11-14 22:13:20Z"),
        ("since_ns", 1_700_000_000_000_000_000, "2023-11-14 22:13:20Z"),
        ("down_at_ns", 0, "1970-01-01 00:00:00Z"),
        ("took_s", 0, "0.0 s"),
        ("took_s", 0.05, "50.0 ms"),
        ("took_s", 300, "5 min"),
        ("bytes", 512, "512 B"),
        ("queue_bytes", 3 * 2**30, "3.0 GiB"),
        ("queue_bytes", 5 * 2**40, "5.0 TiB"),
        ("text", "a\nb\x07", "a?b?"),
        ("text", "x" * 100, "x" * 77 + "..."),
        ("list", [1, None], "1, -"),
    ],
)
def test_values_for_people(name: str, value: object, text: str) -> None:
    assert shown(name, value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (12.4, "12 s"),
        (119, "119 s"),
        (180, "3 min"),
        (7200, "2 h"),
        (200_000, "2 days"),
    ],
)
def test_ages(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_a_list_of_rows_within_a_part_is_a_table_of_its_own() -> None:
    rows = [{"order": "t1", "state": "open", "size": "2", "note": "kept for machines"}]
    found = list(sections({"state": "running", "trading": {"execution": {"events": 3}, "orders": rows}}))

    assert [each.title for each in found] == ["instance", "trading", "trading: orders"]
    assert found[1].rows == (("execution events", "3"),)
    assert (found[2].columns, found[2].rows) == (("order", "state", "size"), (("t1", "open", "2"),))
