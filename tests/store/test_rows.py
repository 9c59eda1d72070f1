from collections.abc import Callable

from tapeline.model.event import Bar
from tapeline.store.rows import Made, Rows


def test_rows_are_an_iterator_and_a_table(bar: Callable[..., Bar]) -> None:
    calls: list[int] = []

    def make() -> list[Bar]:
        calls.append(1)
        return [bar(), bar(open_at_ns=0)]

    rows: Rows[Bar] = Rows("bars", Made(make))
    assert calls == []
    assert next(rows) == bar()
    assert list(rows) == [bar(open_at_ns=0)]
    assert list(rows) == []
    assert rows.to_arrow(columns=["open_at_ns"])["open_at_ns"].to_pylist() == [bar().open_at_ns, 0]
    assert rows.to_polars().height == 2
    assert list(rows.to_pandas(times="ns")["revision"]) == [1, 1]
    assert len(calls) == 4
