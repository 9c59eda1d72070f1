"""OKX frames to events. Never reads a clock; raises BadData and nothing else.

Market frames begin with their arg, the same bytes in every frame of a stream, so those bytes lead straight to what
reads the rest. Whatever else comes, or does not read well there, takes the general way, which says what is wrong, and
saves of a push what can be read.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from tapeline.errors import BadData
from tapeline.model.event import Event
from tapeline.model.instrument import Instrument
from tapeline.venues.okx import wire
from tapeline.venues.okx.control import Head, control
from tapeline.venues.okx.streams import BINDERS, Read
from tapeline.venues.okx.wire import UNREADABLE, Arg, Names
from tapeline.venues.spec import Control, Decode, Pong, Problem

MOST_STREAMS = 4096  # far above what one connection may subscribe

_decode_head = msgspec.json.Decoder(Head).decode
_decode_items = msgspec.json.Decoder(list[Raw]).decode


def decoder(name: str, instruments: Mapping[str, Instrument]) -> Decode:
    """A decoder for one connection; see `venues.spec.Decode`."""
    names = Names(name, instruments)
    by_prefix: dict[bytes, Read] = {}
    known = by_prefix.get

    def decode(frame: bytes, received_ns: int) -> Sequence[Event | Control]:
        read = known(frame.partition(b"}")[0])
        if read is not None:
            try:
                return read(frame, received_ns)
            except UNREADABLE:
                pass  # the general way tells what is wrong
        return _general(frame, received_ns, names, by_prefix)

    return decode


def _general(frame: bytes, received_ns: int, names: Names, by_prefix: dict[bytes, Read]) -> Sequence[Event | Control]:
    if frame == b"pong":
        return (Pong(),)
    head = _head(frame)
    if head.event or head.op or head.arg is None:
        return control(head, names, received_ns)
    read = _read(head.arg, names)
    if read is None:
        return ()
    if names.knows(head.arg.instId) and frame.startswith(b'{"arg":{'):
        if len(by_prefix) >= MOST_STREAMS:
            by_prefix.clear()
        by_prefix[frame.partition(b"}")[0]] = read
    try:
        return read(frame, received_ns)
    except UNREADABLE as error:
        return _saved(read, head.arg, head.data, received_ns, error)


def _head(frame: bytes) -> Head:
    try:
        return _decode_head(frame)
    except msgspec.ValidationError as error:
        raise BadData(f"okx: {error}", kind="schema") from error
    except UNREADABLE as error:
        raise BadData(f"okx: {error}", kind="bad_json") from error


def _read(arg: Arg, names: Names) -> Read | None:
    """What reads this arg's pushes; None for a public channel that has no event of ours. Raises BadData."""
    bind = BINDERS.get(arg.channel)
    if bind is not None:
        return bind(arg, names)
    if arg.channel in wire.UNUSED:
        return None
    if arg.channel.startswith(wire.PRIVATE_PREFIXES):
        raise BadData(f"okx: {arg.channel} is a private channel", kind="private")
    if arg.channel.startswith(wire.UNUSED_PREFIXES):
        return None
    raise BadData(f"okx: unknown channel {arg.channel[:40]!r}", kind="unknown_type")


def _saved(read: Read, arg: Arg, data: Raw, received_ns: int, error: Exception) -> Sequence[Event | Control]:
    """Item by item, with "" read as absent; what cannot be read becomes a Problem. Raises BadData if nothing can."""
    where = f"okx: {arg.channel} {arg.instId or arg.instType}"
    out: list[Event | Control] = []
    try:
        # A quote inside a text is escaped, so that these bytes are never part of one.
        items = _decode_items(bytes(data).replace(b':""', b":null").replace(b',""', b",null"))
    except UNREADABLE:
        raise BadData(f"{where}: {error}", kind="schema") from error
    problems = 0
    for each in items:
        try:
            out.extend(read(b'{"data":[%b]}' % bytes(each), received_ns))
        except UNREADABLE as why:
            problems += 1
            out.append(Problem("schema", f"{where}: {why}"))
    if problems and problems == len(out):
        raise BadData(f"{where}: {error}", kind="schema") from error
    return out
