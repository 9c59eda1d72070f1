"""overrides.json: what is set, what wins, and a file that somebody has broken."""

from pathlib import Path

import pytest

from tapeline.control import Overrides, read_overrides, write_overrides
from tapeline.errors import ConfigError


def test_what_is_written_is_read_again_and_nothing_leaves_no_file(tmp_path: Path) -> None:
    assert read_overrides(tmp_path) == Overrides()
    write_overrides(tmp_path, Overrides("polling", {"a:B/C": "hybrid"}))
    assert read_overrides(tmp_path) == Overrides("polling", {"a:B/C": "hybrid"})
    assert [path.name for path in tmp_path.iterdir()] == ["overrides.json"]
    write_overrides(tmp_path, Overrides())
    assert list(tmp_path.iterdir()) == []
    write_overrides(tmp_path, Overrides())


def test_an_instrument_goes_before_everything_and_everything_ends_what_was_set_one_by_one() -> None:
    one = Overrides("polling").with_mode("hybrid", "a:B/C")
    assert one.mode_of("a:B/C") == ("hybrid", "overrides.json instruments")
    assert one.mode_of("a:X/Y") == ("polling", "overrides.json mode")
    assert Overrides().mode_of("a:X/Y")[0] is None
    assert one.with_mode("auto") == Overrides("auto")
    assert one.without("a:B/C") == Overrides("polling")
    assert one.without() == Overrides()


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"mode": "fast"}', b'{"modes": 1}', b"\xff"])
def test_a_broken_file_is_said_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "overrides.json").write_bytes(content)
    with pytest.raises(ConfigError, match="websocket config --clear"):
        read_overrides(tmp_path)
