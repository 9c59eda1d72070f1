"""What there is to import: files and folders of every kind we read, as one stream of rows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import msgspec

from tapeline.errors import BadData, ConfigError
from tapeline.model.channel import BUILT_FROM
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar, Trade
from tapeline.model.instrument import Instrument, split_id
from tapeline.store import archive
from tapeline.store.intake.arrow_rows import read_arrow
from tapeline.store.intake.csv_rows import read_csv
from tapeline.store.intake.row import Found, Refused
from tapeline.store.intake.sqlite_rows import interval_of_table, read_sqlite
from tapeline.store.intake.zip_rows import read_zip
from tapeline.store.tape import TapeAnswer, TapeReading, read_answers, read_numbered
from tapeline.venues import venue_named
from tapeline.venues.spec import Ask, Decode, Venue

_SUFFIXES = ("parquet", "arrow", "csv")  # of an archive, the best first
_TAPES = (".ws.jsonl", ".ws.jsonl.gz", ".ws.jsonl.zst")
_CSV, _ARROW = (".csv", ".csv.gz"), (".parquet", ".arrow")
GONE = "the export wrote this file, and it is gone"
_KINDS = "zip, csv, parquet, arrow, ws.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user says of the files: whose rows they are, where the files themselves do not tell."""

    instrument: str = ""  # venue:symbol
    venue: str = ""
    channel: str = ""
    table: str = ""  # of SQLite files
    rest: tuple[Path, ...] = ()  # recorded answers, for a tape's instrument list
    listed: Mapping[str, Instrument] = field(default_factory=dict)  # "venue:native" -> what the store knows


def rows_of(path: Path, asked: Asked) -> Iterator[Found]:
    """The rows of a file, of a folder that `tapeline export` wrote, or of all files in another one and below it.

    Raises ConfigError where more must be said.
    """
    name = path.name.lower()
    if asked.instrument and not all(split_id(asked.instrument)):  # rows of it would be nobody's: no read finds them
        raise ConfigError(f"--as {asked.instrument}: write VENUE:SYMBOL, the venue as `tapeline venues` lists it")
    if path.is_dir():
        yield from _archive(path) if archive.series_in(path) else _folder(path, asked)
    elif asked.table:
        yield from read_sqlite(path, asked.table, _instrument(path, asked), _table_channel(asked))
    elif name.endswith(".zip"):
        yield from _zip(path, asked)
    elif name.endswith(_CSV):
        yield from read_csv(path, *_series(path, asked))
    elif name.endswith(_ARROW):
        yield from read_arrow(path, *_series(path, asked))
    elif name.endswith(_TAPES):
        yield from _tape(path, asked)
    elif not path.exists():
        yield Refused(str(path), 0, "there is no such file")
    else:
        yield Refused(str(path), 0, f"not a kind of file that can be imported: {_KINDS}, folder")


def _folder(root: Path, asked: Asked) -> Iterator[Found]:
    files = sorted(each for each in root.rglob("*") if each.name.lower().endswith((".zip", *_CSV, *_ARROW, *_TAPES)))
    listed, tapes = dict(asked.listed), [path for path in files if path.name.lower().endswith(_TAPES)]
    if tapes:  # the answers that were recorded beside them say whose they are
        venue = venue_named(_venue(tapes[0], asked))
        for path in sorted(root.rglob("*.rest.jsonl*")):
            for each in _listed(venue, read_answers(path, TapeReading())):
                listed[f"{venue.name}:{each.native}"] = each
                yield each
    for path in files:
        yield from rows_of(path, replace(asked, listed=listed))
    if not files:
        yield Refused(str(root), 0, f"neither an export nor a folder with files that can be imported: {_KINDS}")


def _archive(root: Path) -> Iterator[Found]:
    yield from archive.instruments_of(root)
    for instrument, channel, folder in archive.series_in(root):
        suffix = next((each for each in _SUFFIXES if archive.parts_of(folder, each)), "")
        unread = archive.damaged(folder, suffix)
        for part in unread:
            there = "it is not as the export wrote it: what that proved is not taken" if part.path.is_file() else GONE
            yield Refused(str(part.path), 0, there)
        for part in archive.parts_of(folder, suffix) if suffix else ():
            read = read_csv if suffix == "csv" else read_arrow
            for row in read(part.path, instrument, channel):
                if isinstance(row, Refused):
                    unread.append(part)
                yield row
        yield from archive.gaps_of(folder)
        yield from archive.facts_of(folder, unread)  # a row that is not taken must not count as held


def _zip(path: Path, asked: Asked) -> Iterator[Found]:
    venue = venue_named(_venue(path, asked))
    told = venue.archive.series(path.name) if venue.archive is not None else None
    if venue.archive is None or told is None:
        yield Refused(str(path), 0, f"{venue.name} publishes no files of this name")
        return
    native, channel = told
    if not _is_of(native, asked):
        yield Refused(str(path), 0, f"its name says {native}, --as says {asked.instrument}")
        return
    listed = asked.listed.get(f"{venue.name}:{native}")
    instrument = asked.instrument or (listed.id if listed else f"{venue.name}:{native}")
    read = venue.archive.read
    yield from read_zip(path, lambda row: read(row, instrument, channel))


def _is_of(native: str, asked: Asked) -> bool:
    """Whether a venue's own symbol may be the instrument that was named: by its list, else by its letters."""
    known = next((each for each in asked.listed.values() if each.id == asked.instrument), None)
    if known is not None:
        return known.native == native
    pair = split_id(asked.instrument)[1].partition(":")[0].replace("/", "")
    return _letters(native).startswith(_letters(pair))


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).upper()


def _series(path: Path, asked: Asked) -> tuple[str, str]:
    """Whose rows a single file has: what was said, else what its folders say."""
    told = archive.series_of(path)
    instrument = asked.instrument or (told.instrument if told else "")
    channel = asked.channel or (told.channel if told else "")
    if not instrument or not channel:
        raise ConfigError(f"{path}: say whose rows these are, with --as VENUE:SYMBOL and --channel (trades, bars:1m)")
    of = parse_channel(channel)
    if of.kind != "bars" and of.kind not in BUILT_FROM:
        raise ConfigError(f"{path}: only bars and trades are imported, as bars:1m, trades or aggtrades; not {channel}")
    return instrument, str(of)


def _instrument(path: Path, asked: Asked) -> str:
    if not asked.instrument:
        raise ConfigError(f"{path}: say whose rows these are, with --as VENUE:SYMBOL")
    return asked.instrument


def _venue(path: Path, asked: Asked) -> str:
    venue = asked.venue or split_id(asked.instrument)[0]
    if not venue:
        raise ConfigError(f"{path}: say which venue it is from, with --venue")
    return venue


def _table_channel(asked: Asked) -> str:
    if asked.channel:
        return str(parse_channel(asked.channel))
    interval = interval_of_table(asked.table)
    if interval is None:
        raise ConfigError(f"table {asked.table!r} does not say its interval: add --channel bars:1m, or another")
    return f"bars:{interval}"


def _tape(path: Path, asked: Asked) -> Iterator[Found]:
    """The trades and closed bars of a recording, as its venue's decoder reads them."""
    venue = venue_named(_venue(path, asked))
    reading = TapeReading()
    listed = {each.native: each for each in asked.listed.values() if each.venue == venue.name}
    for answers in asked.rest:
        for each in _listed(venue, read_answers(answers, reading)):
            listed[each.native] = each
            yield each
    decoders: dict[str, Decode] = {}
    for number, line in read_numbered(path, reading):
        if line.dir == "open":
            decoders.pop(line.conn, None)  # a new connection knows nothing of the one before
        if line.dir != "in":
            continue
        decoder = decoders.get(line.conn) or decoders.setdefault(line.conn, venue.decoder(venue.name, listed))
        try:
            found = decoder(line.frame, line.at_ns)
        except BadData as error:
            yield Refused(str(path), number + 1, str(error), line.raw[:200])
            continue
        for event in found:
            if isinstance(event, Trade) or (isinstance(event, Bar) and event.closed):
                yield msgspec.structs.replace(event, source="file")
    for text in reading.bad:
        yield Refused(str(path), 0, text)


def _listed(venue: Venue, answers: Iterable[TapeAnswer]) -> Iterator[Instrument]:
    """The instruments of recorded answers; other answers are passed over."""
    call = venue.rest.get("instruments")
    if call is None:
        return
    for answer in answers:
        read = partial(call.parse, answer.content, Ask("instruments", ""), {}, answer.at_ns)
        try:
            yield from (each for each in read() if isinstance(each, Instrument))
        except BadData:
            continue
