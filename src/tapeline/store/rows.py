"""What a read gives: an iterator of events, and the same rows as an Arrow, polars or pandas table. Lazy."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

from tapeline.model.fact import Span
from tapeline.store.frames import BAR_FRAME, TRADE_FRAME, Numbers, Times, chosen, event_table, finished, raw_table
from tapeline.store.frames import to_pandas as as_pandas
from tapeline.store.frames import to_polars as as_polars
from tapeline.store.proof import Proof
from tapeline.store.queries import TRADE_COLUMNS
from tapeline.store.series import BAR_COLUMNS

E_co = TypeVar("E_co", covariant=True)
FRAMES: dict[str, tuple[Sequence[str], Sequence[str]]] = {  # kind -> the usual columns, and all there are
    "bars": (BAR_FRAME, BAR_COLUMNS),
    "trades": (TRADE_FRAME, TRADE_COLUMNS),
}


class Source(Protocol[E_co]):
    """Where rows come from."""

    def tuples(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """These columns of every row, numbers as floats."""
        ...

    def events(self) -> Iterator[E_co]:
        """Every row as an event."""
        ...

    def table(self, columns: Sequence[str], *, exact: bool) -> Any:
        """These columns, numbers as floats; and `exact` where it is asked for."""
        ...


class Rows(Generic[E_co]):
    """Rows of one series, oldest first. Iterate once for events, or take a table; nothing is read before that.

    Tables have `columns` (all names in `kind`'s own order where it is "all"), numbers as `float`, or exactly as
    `decimal` or `text`, and times as integer nanoseconds (`ns`) or as UTC timestamps without the `_ns` (`utc`).
    """

    def __init__(self, kind: str, source: Source[E_co], proof: Callable[[], Proof] | None = None) -> None:
        self._kind, self._source, self._proof = kind, source, proof
        self._events: Iterator[E_co] | None = None

    def __iter__(self) -> Iterator[E_co]:
        if self._events is None:
            self._events = self._source.events()
        return self._events  # not itself: a loop over it then asks for rows without a call of ours for each

    def __next__(self) -> E_co:
        return next(iter(self))

    @property
    def coverage(self) -> list[Span]:
        """What the ledger knows of the range that was asked for, in order without overlaps."""
        return self._proof().coverage if self._proof is not None else []

    @property
    def missing(self) -> list[tuple[int, int]]:
        """Half-open ranges of event time, within what was asked for, that are not proven to be held."""
        return self._proof().missing if self._proof is not None else []

    def tuples(self, *columns: str) -> Iterator[tuple[Any, ...]]:
        """These columns of every row, numbers as floats: for statistics over many, where no table is needed."""
        usual, every = FRAMES[self._kind]
        return self._source.tuples(chosen(columns, usual, every))

    def to_arrow(
        self, *, columns: Sequence[str] | str | None = None, numbers: Numbers = "float", times: Times = "ns"
    ) -> Any:
        """A pyarrow.Table. Raises ConfigError for an unknown column, and where `tapeline[frames]` is not installed."""
        usual, every = FRAMES[self._kind]
        if isinstance(columns, str):
            columns = every if columns == "all" else [columns]
        wanted = tuple(dict.fromkeys(chosen(columns, usual, every)))
        return finished(self._source.table(wanted, exact=numbers != "float"), wanted, numbers, times)

    def to_polars(
        self, *, columns: Sequence[str] | str | None = None, numbers: Numbers = "float", times: Times = "utc"
    ) -> Any:
        """A polars.DataFrame."""
        return as_polars(self.to_arrow(columns=columns, numbers=numbers, times=times))

    def to_pandas(
        self, *, columns: Sequence[str] | str | None = None, numbers: Numbers = "float", times: Times = "utc"
    ) -> Any:
        """A pandas.DataFrame."""
        return as_pandas(self.to_arrow(columns=columns, numbers=numbers, times=times))


class Query(Generic[E_co]):
    """Rows by SQL: `sql` has `{columns}` where their names go. `fast` gives an Arrow table at once, or None."""

    def __init__(
        self, connection: sqlite3.Connection, sql: str, parameters: tuple[Any, ...], *, every: Sequence[str],
        make: Callable[[tuple[Any, ...]], E_co], fast: Callable[[str, tuple[Any, ...]], Any],
    ) -> None:  # fmt: skip
        self._connection, self._sql, self._parameters = connection, sql, parameters
        self._every, self._make, self._fast = every, make, fast

    def events(self) -> Iterator[E_co]:
        """Every row as an event."""
        return map(self._make, self._connection.execute(self._text((*self._every, "exact")), self._parameters))

    def tuples(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """These columns of every row, as SQLite has them."""
        return self._connection.execute(self._text(columns), self._parameters)

    def table(self, columns: Sequence[str], *, exact: bool) -> Any:
        """These columns, and `exact` where it is asked for."""
        names = (*columns, "exact") if exact else tuple(columns)
        text = self._text(names)
        table = self._fast(text, self._parameters)
        if table is not None:
            return table
        rows = self._connection.execute(text, self._parameters).fetchall()
        return raw_table(dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True)))

    def _text(self, columns: Sequence[str]) -> str:
        return self._sql.replace("{columns}", ", ".join(columns))


class Made(Generic[E_co]):
    """Rows that are worked out as they are asked for."""

    def __init__(self, make: Callable[[], Iterable[E_co]]) -> None:
        self._make = make

    def events(self) -> Iterator[E_co]:
        """Every one of them."""
        return iter(self._make())

    def tuples(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """These columns of every event."""
        for event in self._make():
            values = (getattr(event, name) for name in columns)
            yield tuple(float(value) if isinstance(value, Decimal) else value for value in values)

    def table(self, columns: Sequence[str], *, exact: bool) -> Any:  # noqa: ARG002  # it costs nothing here
        """These columns, and `exact`."""
        return event_table(self._make(), columns)
