import sqlite3
from collections.abc import Callable

import pytest

from tapeline.errors import ConfigError
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Span
from tapeline.store.proof import Proof
from tapeline.store.queries import trade_of
from tapeline.store.rows import Made, Query, Rows


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
    assert rows.to_arrow(columns="revision").column_names == ["revision"]
    assert "reason" in rows.to_arrow(columns="all").column_names
    assert rows.to_polars().height == 2
    assert list(rows.to_pandas(times="ns")["revision"]) == [1, 1]
    assert len(calls) == 6
    with pytest.raises(ConfigError, match="no column 'shoe'"):
        rows.to_arrow(columns="shoe")


def test_the_proof_is_made_when_it_is_asked_for(bar: Callable[..., Bar]) -> None:
    proof = Proof([Span(0, 5, "proven", "ids", "ws", "")], [(5, 9)])
    rows: Rows[Bar] = Rows("bars", Made(lambda: [bar()]), lambda: proof)
    assert (rows.coverage, rows.missing) == (proof.coverage, proof.missing)
    bare: Rows[Bar] = Rows("bars", Made(lambda: [bar()]))
    assert (bare.coverage, bare.missing) == ([], [])


def test_a_query_reads_what_is_asked_for() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (id, price, size, exact)")
    asked: list[str] = []

    def slow(text: str, _parameters: object) -> None:
        asked.append(text)

    query: Query[Trade] = Query(
        connection,
        "SELECT {columns} FROM t",
        (),
        every=("id",),
        make=lambda row: trade_of("v:A", "trades", row),
        fast=slow,
    )
    assert query.table(("id", "price"), exact=False).to_pylist() == []
    connection.execute("INSERT INTO t VALUES ('7', 1.5, 2.0, NULL)")
    assert query.table(("id", "price"), exact=True).to_pylist() == [{"id": "7", "price": 1.5, "exact": None}]
    assert asked == ["SELECT id, price FROM t", "SELECT id, price, exact FROM t"]
    assert list(Query(connection, "SELECT {columns} FROM t", (), every=("id",), make=tuple, fast=slow).events()) == [
        ("7", None)
    ]
    fast: Query[Trade] = Query(
        connection, "SELECT {columns} FROM t", (), every=("id",), make=lambda row: trade_of("v:A", "trades", row),
        fast=lambda text, _parameters: text,
    )  # fmt: skip
    assert fast.table(("id",), exact=False) == "SELECT id FROM t"
    connection.close()


def test_rows_as_plain_tuples_from_both_kinds_of_source(bar: Callable[..., Bar]) -> None:
    made: Rows[Bar] = Rows("bars", Made(lambda: [bar()]))
    assert list(made.tuples("open_at_ns", "close", "quote_volume", "reason")) == [
        (bar().open_at_ns, 61828.0, 768787.4591831, "")
    ]
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE bars (open_at_ns, close)")
    connection.execute("INSERT INTO bars VALUES (1, 2.5), (3, 4.5)")
    query: Query[Bar] = Query(
        connection, "SELECT {columns} FROM bars WHERE open_at_ns > ?", (1,), every=(), make=lambda _row: bar(),
        fast=lambda _sql, _parameters: None,
    )  # fmt: skip
    assert list(Rows("bars", query).tuples("close", "open_at_ns")) == [(4.5, 3)]
    with pytest.raises(ConfigError, match="no column 'shoe'"):
        made.tuples("shoe")
    connection.close()
