"""A venue's own files of days gone by: CSV in zips, held against the checksum file that lies beside them."""

import csv
import hashlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import TextIOWrapper
from pathlib import Path

from tapeline.model.event import Bar, Trade
from tapeline.store.intake.row import Refused, event_or_refusal

_FAULTS = (OSError, EOFError, zipfile.BadZipFile, UnicodeDecodeError, csv.Error)
_BLOCK = 1 << 20
Read = Callable[[Sequence[str]], Trade | Bar | None]


def read_zip(path: Path, read: Read) -> Iterator[Trade | Bar | Refused]:
    """The rows of every CSV of a zip; `read` makes an event of a row, None of a header, or raises BadData.

    A file that differs from its `.CHECKSUM` is refused whole; one without such a file is read.
    """
    problem = checksum_problem(path)
    if problem:
        yield Refused(str(path), 0, problem)
        return
    line = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as raw:
                    rows = csv.reader(TextIOWrapper(raw, encoding="utf-8", newline=""))
                    for row in rows:
                        line = rows.line_num
                        make = partial(read, row)
                        found = event_or_refusal(make, f"{path}:{name}", line, ",".join(row)) if row else None
                        if found is not None:
                            yield found
    except _FAULTS as error:
        yield Refused(str(path), line, f"cannot be read further: {error}")


def checksum_problem(path: Path) -> str:
    """Why the file is not what its `.CHECKSUM` says; "" where it is, and where there is none."""
    beside = path.with_name(path.name + ".CHECKSUM")
    try:
        wanted = beside.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        return f"its checksum cannot be read: {error}"
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        return f"cannot be read: {error}"
    if not wanted or wanted[0].lower() != digest.hexdigest():
        return f"its SHA-256 is {digest.hexdigest()}, {beside.name} says {wanted[0] if wanted else 'nothing'}"
    return ""
