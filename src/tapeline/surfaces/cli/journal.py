"""`tapeline journal`: what the journal of trading runs holds, and a smaller file of it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from tapeline.clock import SystemClock
from tapeline.errors import ConfigError
from tapeline.model.stamp import instant, iso
from tapeline.store.compact import duration
from tapeline.store.journal_archived import Archive
from tapeline.store.journal_archiving import Archived
from tapeline.store.journal_archiving import archive as put_away
from tapeline.store.journal_holding import ArchiveHeld, Holding, holding

journal = App(
    name="journal",
    help="The journal of trading runs: what it holds, and its oldest records moved into archives beside it.\n\n"
    "Example: `tapeline journal status --store ./data`",
)


@journal.command
def status(
    *,
    store: Annotated[Path, Parameter(help="The store's folder.")],
    verify: Annotated[
        bool, Parameter(negative=(), help="Read every archive to its end, and check its digest.")
    ] = False,
    json: Annotated[bool, Parameter(negative=(), help="Print all of it as one JSON object.")] = False,
) -> None:
    """Say what a journal holds: records, bytes, times, snapshots, and archives. A run may go on meanwhile.

    Nothing is written, so it works on a copy that may only be read.

    Exit codes: 0 told; 1 an archive is missing or damaged, or the journal cannot be read; 2 bad usage, or there is no
    journal.

    Example: `tapeline journal status --store ./data`
    """
    found = holding(store, whole=verify)
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines(found))
    if any(each.state in {"missing", "damaged"} for each in found.archives):
        sys.exit(1)


@journal.command
def archive(
    *,
    store: Annotated[Path, Parameter(help="The store's folder.")],
    before: Annotated[
        str | None, Parameter(help="Move what is older than this time: ISO 8601 in UTC.", show_default=False)
    ] = None,
    keep: Annotated[str, Parameter(help="Or: move what is older than so long, as 30d, 12h, 4w.")] = "",
    json: Annotated[bool, Parameter(negative=(), help="Say what was done as one JSON object.")] = False,
) -> None:
    """Move a journal's oldest records into an archive beside it, journal-FIRST-LAST.sqlite, and free their space.

    Nothing is lost or changed: whatever reads the journal reads its archives too, and says which is missing. What a
    start needs stays: the newest snapshot (one is written where none is new enough) and all behind it. No run may
    trade from the store meanwhile. Where it was killed, or the disk was full, the next call goes on.

    Exit codes: 0 done, also where nothing is that old; 1 a run trades from the store, or the disk refuses, and nothing
    is lost; 2 bad usage, or there is no journal.

    Example: `tapeline journal archive --store ./data --keep 30d`
    """
    if (before is None) == (not keep):
        raise ConfigError("say either --before TIME or --keep 30d: what is older is moved")
    before_ns = SystemClock().wall_ns() - duration(keep) if before is None else instant(before)
    said: list[str] = []
    found = put_away(store, before_ns, said.append)
    sys.stderr.writelines(f"tapeline: {text}\n" for text in said)
    if json:
        sys.stdout.write(msgspec.json.encode(_told(found)).decode() + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in done(found))


def done(found: Archived) -> Iterator[str]:
    """What an archiving did, for people."""
    for each in found.archives:
        yield f"{each.file}: {_span(each)}"
    if not found.archives:
        yield "nothing to move: no record is that old, or all that are have been moved"
    yield f"the journal goes on from record {found.first}; {found.bytes_before} bytes before, {found.bytes_after} after"


def lines(found: Holding) -> Iterator[str]:
    """A holding, for people."""
    times = "" if found.from_ns is None or found.to_ns is None else f", {iso(found.from_ns)} to {iso(found.to_ns)}"
    span = f"records {found.first} to {found.last}{times}" if found.records else "no records"
    yield f"journal of {found.instance}: {span}, {found.bytes} bytes; a start plays back {found.played} of them"
    for each in found.snapshots:
        state = f"left alone by a start: {each.trouble}" if each.trouble else f"up to record {each.record}"
        yield f"snapshot {each.file}: {state}, {each.bytes} bytes"
    for of in found.archives:
        state = f"MISSING: bring it back into {found.folder}" if of.state == "missing" else of.trouble or of.state
        yield f"archive {of.file}: {_span(of)}, {of.bytes} bytes, {state}"
    for name in found.begun:
        yield f"{name}: begun, and not on the journal's list: `tapeline journal archive` finishes it or throws it away"
    if found.undeleted:
        yield f"{found.undeleted} records that are in archives still take room: `tapeline journal archive` frees it"


def _span(of: Archive | ArchiveHeld) -> str:
    return f"records {of.first} to {of.last}, {iso(of.from_ns)} to {iso(of.to_ns)}"


def _told(found: Archived) -> dict[str, object]:
    return found._asdict() | {"archives": [each._asdict() for each in found.archives]}
