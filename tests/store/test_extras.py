import sys

import pytest

from tapeline.errors import ConfigError
from tapeline.store.extras import installed, optional


def test_what_is_absent_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert not installed("duckdb")
    with pytest.raises(ConfigError, match=r"an archive needs duckdb: install it with `pip install 'tapeline\[lake\]'`"):
        optional("duckdb", "an archive")


def test_what_is_there_is_imported() -> None:
    assert installed("pyarrow.compute")
    assert optional("pyarrow", "a table").__name__ == "pyarrow"
