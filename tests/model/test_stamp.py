import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.errors import ConfigError
from tapeline.model.stamp import instant, iso

NS = 1723161390000000000


@pytest.mark.parametrize(
    ("at_ns", "text"),
    [
        (NS, "2024-08-08T23:56:30Z"),
        (NS + 5_000_000, "2024-08-08T23:56:30.005Z"),
        (NS + 1_000, "2024-08-08T23:56:30.000001Z"),
        (NS + 1, "2024-08-08T23:56:30.000000001Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-500_000_000, "1969-12-31T23:59:59.500Z"),
    ],
)
def test_text_is_as_long_as_it_takes_to_be_exact(at_ns: int, text: str) -> None:
    assert iso(at_ns) == text
    assert instant(text) == at_ns


@pytest.mark.parametrize(
    "text",
    ["2024-08-08T23:56:30Z", "2024-08-08 23:56:30", "2024-08-08T23:56:30+00:00", "2024-08-08T23:56:30.0+0000", str(NS)],
)
def test_ways_to_write_one_instant(text: str) -> None:
    assert instant(text) == NS


def test_a_day_or_a_minute_will_do() -> None:
    assert instant("2024-08-08") == NS // (86400 * 10**9) * 86400 * 10**9
    assert instant("2024-08-08T23:56") == NS - 30 * 10**9
    assert instant("20240808") == instant("2024-08-08")
    assert [instant(text) for text in ("-12345", "0", "123456789")] == [-12345, 0, 123456789]


@pytest.mark.parametrize(
    "text",
    ["", "now", "2024-13-01", "2024-02-30", "2024-08-08T25:00", "2024-08-08T24:00", "2024-08-08T23:56:60Z",
     "2024-08-08T23:56:30+02:00", "2024-08-08T23:56:30.1234567891Z", "1234", "12.5", "20241301",
     "\uff12024-08-08", "2024-08-08T23:56:30Z\n"],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a time: write ISO 8601 in UTC"):
        instant(text)


@given(st.integers(-(10**18), 9 * 10**18))
def test_there_and_back(at_ns: int) -> None:
    assert instant(iso(at_ns)) == at_ns
