"""How an archive is laid out: folders that say venue, symbol, channel and day, as other tools read them too.

`venue=V/symbol=S/channel=C/day=2024-08-08/data-0.parquet`; beside a series' rows its `gaps.jsonl` and `facts.jsonl`,
and `files.jsonl`, which says what was written; beside a symbol's channels its `instruments.jsonl`. Names are
percent-encoded.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import msgspec

from tapeline.model.event import Gap
from tapeline.model.fact import Fact
from tapeline.model.instrument import Instrument, split_id
from tapeline.model.interval import DAY_NS, Interval
from tapeline.model.interval import interval as interval_named
from tapeline.model.stamp import instant, iso

PARTITIONS = ("day", "month", "year", "none")
GAPS, FACTS, INSTRUMENTS, FILES = "gaps.jsonl", "facts.jsonl", "instruments.jsonl", "files.jsonl"
_DIGITS = {"day": 10, "month": 7, "year": 4}  # of an ISO date
_encode = msgspec.json.Encoder().encode


class Series(NamedTuple):
    """A series of an archive and its folder."""

    instrument: str
    channel: str
    folder: Path


class Part(NamedTuple):
    """A file of a series, and the time its folder is for: [from_ns, to_ns), None where it is for all."""

    path: Path
    from_ns: int | None
    to_ns: int | None


class Written(msgspec.Struct, frozen=True):
    """A file of a series as it was written: its path within the series' folder, and its size."""

    path: str
    bytes: int


def series_folder(root: Path, instrument: str, channel: str) -> Path:
    """Where the rows of a series are."""
    venue, symbol = split_id(instrument)
    return root / f"venue={_written(venue)}" / f"symbol={_written(symbol)}" / f"channel={_written(channel)}"


def series_in(root: Path) -> list[Series]:
    """Every series of an archive."""
    found = []
    for folder in sorted(root.glob("venue=*/symbol=*/channel=*")):
        venue, symbol, channel = (unquote(name.partition("=")[2]) for name in folder.relative_to(root).parts)
        found.append(Series(f"{venue}:{symbol}", channel, folder))
    return found


def series_of(path: Path) -> Series | None:
    """The series that a file belongs to, by the folders it is in; None where they do not say."""
    for folder in path.parents:
        names = [each.partition("=") for each in (folder.parent.parent.name, folder.parent.name, folder.name)]
        if [name for name, _, _ in names] == ["venue", "symbol", "channel"]:
            venue, symbol, channel = (unquote(value) for _, _, value in names)
            return Series(f"{venue}:{symbol}", channel, folder)
    return None


def parts_of(folder: Path, suffix: str) -> list[Part]:
    """The files of a series, in order of time."""
    return sorted(
        (Part(path, *_time_of(path.parent.name)) for path in folder.rglob(f"data-*.{suffix}")),
        key=lambda part: (part.from_ns or 0, int(part.path.stem.removeprefix("data-"))),
    )


def partition_name(kind: str, at_ns: int) -> str:
    """The folder of an instant: `day=2024-08-08`, `month=2024-08`, `year=2024`, or "" for no partition."""
    return "" if kind == "none" else f"{kind}={iso(at_ns)[: _DIGITS[kind]]}"


def next_partition(kind: str, at_ns: int) -> tuple[int, int]:
    """The partition that holds an instant, as [from_ns, to_ns)."""
    if kind == "day":
        return at_ns - at_ns % DAY_NS, at_ns - at_ns % DAY_NS + DAY_NS
    months: Interval = interval_named("1M")
    start = months.floor(at_ns)
    if kind == "month":
        return start, months.next(start)
    start = instant(f"{iso(at_ns)[:4]}-01-01")
    return start, instant(f"{int(iso(at_ns)[:4]) + 1:04d}-01-01")


def write_lines(path: Path, values: list[Any]) -> None:
    """JSON, one value a line; no file where there are none."""
    if values:
        beside = path.with_name(f".{path.name}")
        beside.write_bytes(b"".join(_encode(each) + b"\n" for each in values))
        beside.replace(path)  # whole, or as it was: a full disk must not leave half a line
    else:
        path.unlink(missing_ok=True)


def gaps_of(folder: Path) -> list[Gap]:
    """The holes on record of a series."""
    return _lines(folder / GAPS, Gap)


def facts_of(folder: Path, unread: Iterable[Part] = ()) -> list[Fact]:
    """What was known of a series when it was exported; of the parts that could not be read, nothing is any more."""
    facts: list[Fact] = _lines(folder / FACTS, Fact)
    for part in unread:
        low, high = part.from_ns, part.to_ns
        facts = [piece for fact in facts for piece in _without(fact, low, high)]
    return facts


def note_files(folder: Path, files: Sequence[Path]) -> None:
    """Say what was written just now, and of other partitions what was before."""
    fresh = {path.parent for path in files}
    kinds = {path.suffix for path in files}
    before = [
        each for each in _lines(folder / FILES, Written)
        if (folder / each.path).parent not in fresh or (folder / each.path).suffix not in kinds
    ]  # fmt: skip
    now = [Written(path.relative_to(folder).as_posix(), path.stat().st_size) for path in files]
    write_lines(folder / FILES, [*before, *now])


def damaged(folder: Path, suffix: str) -> list[Part]:
    """The files of this kind that were written, and are gone or of another size."""
    found = []
    for each in _lines(folder / FILES, Written):
        path = folder / each.path
        if path.suffix == f".{suffix}" and (not path.is_file() or path.stat().st_size != each.bytes):
            found.append(Part(path, *_time_of(path.parent.name)))
    return found


def instruments_of(root: Path) -> list[Instrument]:
    """Every version of every instrument, oldest first."""
    return [each for path in sorted(root.glob(f"venue=*/symbol=*/{INSTRUMENTS}")) for each in _lines(path, Instrument)]


def _lines(path: Path, kind: type[Any]) -> list[Any]:
    if not path.is_file():
        return []
    return [msgspec.json.decode(line, type=kind) for line in path.read_bytes().splitlines()]


def _without(fact: Fact, low: int | None, high: int | None) -> Iterator[Fact]:
    """What is left of it outside of [low, high), which has no end where that is None."""
    if low is not None and fact.from_ns < low:
        yield msgspec.structs.replace(fact, to_ns=min(fact.to_ns, low))
    if high is not None and fact.to_ns > high:
        yield msgspec.structs.replace(fact, from_ns=max(fact.from_ns, high))


def _written(name: str) -> str:
    return quote(name, safe="")


def _time_of(name: str) -> tuple[int | None, int | None]:
    kind, _, value = name.partition("=")
    if kind not in _DIGITS:
        return None, None
    return next_partition(kind, instant(value + "2000-01-01"[len(value) :]))


Opened = Callable[[Path, Any], Any]


class Parts:
    """The files of one series being written: each partition's new ones replace its old ones once all are whole."""

    MOST_OPEN = 48

    def __init__(self, folder: Path, suffix: str, open_file: Opened) -> None:
        self._folder, self._suffix, self._open_file = folder, suffix, open_file
        self._open: dict[str, tuple[Any, Any]] = {}  # partition -> (schema, writer)
        self._made: dict[str, list[Path]] = {}

    def writer(self, partition: str, schema: Any = None) -> Any:
        """The file to write rows of this partition and schema to."""
        held = self._open.get(partition)
        if held is not None and held[0] == schema:
            return held[1]
        if held is not None:
            self._close(partition)
        elif len(self._open) >= self.MOST_OPEN:
            self._close(next(iter(self._open)))
        made = self._made.setdefault(partition, [])
        path = self._folder / partition / f".data-{len(made)}.{self._suffix}.new"
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = self._open_file(path, schema)
        made.append(path)
        self._open[partition] = (schema, writer)
        return writer

    def finish(self) -> Iterator[Path]:
        """Close all, and put the new files in the place of the old ones; gives where they are."""
        for partition in list(self._open):
            self._close(partition)
        for partition, made in self._made.items():
            for old in (self._folder / partition).glob(f"data-*.{self._suffix}"):
                old.unlink()
            for path in made:
                yield path.rename(path.with_name(path.name.removeprefix(".").removesuffix(".new")))

    def abandon(self) -> None:
        """Close all, and leave what was there before."""
        for partition in list(self._open):
            self._close(partition)
        for path in (path for made in self._made.values() for path in made):
            path.unlink(missing_ok=True)

    def _close(self, partition: str) -> None:
        self._open.pop(partition)[1].close()
