"""Rows of an instrument list, read one by one: one that means nothing takes none of the others with it. Pure."""

from collections.abc import Callable, Iterable

import msgspec

from tapeline.errors import BadData
from tapeline.model.instrument import Instrument
from tapeline.venues.spec import Unreadable

UNREADABLE = (BadData, msgspec.MsgspecError, ValueError, KeyError, IndexError, ArithmeticError, RecursionError)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_listed(
    rows: Iterable[msgspec.Raw], read: Callable[[msgspec.Raw], Instrument], *, name: str
) -> list[Instrument | Unreadable]:
    """Each row as an instrument, or with why it is none; `name` is the field that holds the venue's own name."""
    found: list[Instrument | Unreadable] = []
    for row in rows:
        try:
            found.append(read(row))
        except UNREADABLE as error:
            found.append(Unreadable(_name(row, name), str(error)))
    return found


def not_all_bad(found: list[Instrument | Unreadable], what: str) -> list[Instrument | Unreadable]:
    """The same. Raises BadData where there are rows, and not one means anything: then it is the list that does not."""
    bad = [each for each in found if isinstance(each, Unreadable)]
    if bad and len(bad) == len(found):
        raise BadData(f"{what} cannot be read, in none of its {len(bad)} rows: {bad[0].text}", kind="schema")
    return found


def _name(row: msgspec.Raw, name: str) -> str:
    try:
        found = msgspec.json.decode(_fields(row)[name])
    except UNREADABLE:
        return ""
    return found if isinstance(found, str) else ""
