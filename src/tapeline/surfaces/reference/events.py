"""The event reference: every public event with its fields, from the structs themselves."""

import inspect
from collections.abc import Iterator
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from tapeline.model.channel import BUILT_FROM
from tapeline.model.event import EVENTS, Gap, Level, Link
from tapeline.model.interval import NAMES
from tapeline.surfaces.reference.markdown import code, page, table

INTRODUCTION = """
Events are what subscribers get, what `tapeline decode` prints and what the store keeps. Field names are the same in
Python, in JSON and as columns. In JSON every event has a `type`, prices and sizes are strings of exact decimals, and
stamps are integer nanoseconds since 1970 in UTC. Sizes are in the venue's own unit, base currency or contracts, and
never converted on the way in.

The first five fields are the same in all."""

CHANNELS = {
    "trades": "single trades, or what the venue merges into one message",
    "aggtrades": "trades that the venue aggregates by price, side and order",
    "quotes": "best bid and offer",
    "ticker": "the venue's rolling 24 h summary",
    "mark": "mark price",
    "index": "index price",
    "funding": "funding rate",
    "open_interest": "open interest",
    "liquidations": "liquidation orders, as far as the venue tells of them",
    "status": "changes of the instrument's status",
    "book[:LEVELS][@SPEED]": "the order book: whole, or its top LEVELS; as fast as documented, or at SPEED (`100ms`)",
    "bars:INTERVAL[@trades|@aggtrades]": "the venue's bars, or ours built from its trades",
}

STATES = {
    "idle": "no topics",
    "dialling": "a connection is being opened",
    "subscribing": "open, not every topic is confirmed yet",
    "live": "every topic is answered",
    "draining": "delivering, while its successor is being opened",
    "backing_off": "waiting before the next dial",
    "breaker_open": "too many failures in a row: the venue is left alone for a while",
}

CAUSES = {
    "link_down": "no connection carried the topic",
    "id_jump": "a trade id was skipped",
    "sequence_jump": "a sequence number was skipped",
    "missing_bar": "a bar's time was skipped",
    "silence": "the topic was silent while the venue had something to say",
    "overflow": "a buffer of ours was full, and the oldest events went",
    "restart": "the instance was not running",
    "late_start": "the stream was joined after the start of what is wanted",
    "disputed": "two sources disagree",
}

FIELDS = {
    "instrument": "`venue:symbol`, split at the first colon; null on links and venue-wide notices",
    "channel": "the channel, as in configuration",
    "at_ns": "the venue's stamp; null where it gives none, never invented",
    "received_ns": "ours, when the frame left the socket",
    "source": "`ws`, `rest`, `built` or `file`",
    "id": "the venue's id of the trade",
    "seq": "what continuity is judged by; null where the venue proves nothing",
    "trade.side": "the taker's: `buy`, `sell`, or empty where the venue does not say",
    "liquidation.side": "the order's: a long that is sold is `sell`",
    "price": "price",
    "size": "size, in the venue's own unit",
    "first_id": "first trade inside",
    "last_id": "last trade inside",
    "bid": "best bid; null where that side is empty",
    "bid_size": "size at the best bid",
    "ask": "best offer; null where that side is empty",
    "ask_size": "size at the best offer",
    "update_id": "the venue's number of this state",
    "last": "last price",
    "ticker.open": "price 24 h ago",
    "ticker.high": "highest price of 24 h",
    "ticker.low": "lowest price of 24 h",
    "ticker.volume": "size traded in 24 h",
    "ticker.quote_volume": "value traded in 24 h, in quote currency",
    "open": "first price",
    "high": "highest price",
    "low": "lowest price",
    "close": "last price",
    "volume": "traded size",
    "quote_volume": "traded value, in quote currency; of a built bar the exact sum of notionals",
    "interval": "length of the bar",
    "open_at_ns": "start of the bar, which belongs to it; its end does not",
    "trades": "number of trades",
    "taker_buy_volume": "size that takers bought",
    "closed": "whether the bar is over",
    "certificate": "of a bar we built: `complete`, `partial` (a hole touches it, or we joined inside it) or "
    "`repaired`; empty on the venue's own",
    "revision": "counts from 1 when closed, 0 while open",
    "origin": "`venue`, `trades` or `aggtrades`",
    "bar.reason": "why the bar was issued anew",
    "known_at_ns": "when we knew this revision",
    "bids": "levels of the bid side, in the venue's own text; a size of zero deletes the level",
    "asks": "levels of the ask side, likewise",
    "first_seq": "first of the venue's updates inside",
    "last_seq": "last of the venue's updates inside: the sequence the state is at afterwards",
    "prev_seq": "the update that must come before",
    "checksum": "the venue's checksum of the state afterwards",
    "rate": "funding rate for the coming settlement, as a fraction per interval",
    "interval_s": "time between settlements, in seconds",
    "next_at_ns": "the coming settlement",
    "status": "`trading`, `halted`, `preopen`, `cancel_only`, `settling` or `delisted`",
    "text": "the venue's own words",
    "venue": "the venue",
    "code": "the venue's own code",
    "connection": "name of the connection; in `up` and `down` of all that carry the same topics",
    "topics": "what it carries",
    "change": "`down`, `up` or `state`: one down and one up an outage, failed dials are counted inside",
    "state": "the connection's state, see below",
    "link.reason": "why, in words",
    "attempts": "failed dials so far in this outage",
    "final": "no more attempts will be made",
    "after_ns": "last good point before the hole",
    "before_ns": "first good point after the hole; null while it is open",
    "after_seq": "last good sequence or id before the hole",
    "before_seq": "first good sequence or id after the hole",
    "cause": "see below",
    "gap.open": "nothing after the hole has been seen yet",
    "repair.from_ns": "start of the hole, as the ledger has it",
    "repair.to_ns": "its end, exclusive",
    "repair.state": "`repaired`, `unrecoverable` or `disputed`",
    "repair.rows": "rows of it that were fetched; they came before, with `source` `rest`",
    "repair.cause": "cause of a hole that stays",
    "repair.why": "how it was filled, or why not, in words",
    "dispute.from_ns": "start of what was compared",
    "dispute.to_ns": "its end, exclusive",
    "dispute.why": "both readings of every field that differs",
    "channels": "the channels it is about",
    "mode": "what was asked for: `websocket`, `polling`, `hybrid` or `auto`",
    "before": "how they came: `websocket` or `polling`",
    "after": "how they come from now on",
    "mode_change.reason": "why, in words",
    "kind": "what it is about",
    "alert.state": "`raised` or `cleared`",
    "subject": "the instrument, connection or process",
    "value": "what was measured",
    "limit": "what it went over",
    "alert.text": "in words, with the unit",
}

_WORDS = {float: "number", str: "text", int: "integer", bool: "true or false", Decimal: "decimal"}


def events() -> str:
    """The page."""
    first = Link.__struct_fields__[:5]
    shared = _rows(Link, first)
    parts = [INTRODUCTION, table(("field", "type", "default", "meaning"), shared)]
    for kind in EVENTS:
        parts += [f"## {tag(kind)}", f"`{kind.__name__}`: {inspect.getdoc(kind)}"]
        own = [name for name in kind.__struct_fields__ if name not in first]
        parts += [table(("field", "type", "default", "meaning"), _rows(kind, own))]
        parts += _appendix(kind)
    parts += ["## Channels", table(("channel", "brings"), ((code(name), text) for name, text in CHANNELS.items()))]
    parts += [f"Intervals: {', '.join(map(code, NAMES))}; bars are built from {' or '.join(map(code, BUILT_FROM))}."]
    return page("Events", *parts)


def tag(kind: type[msgspec.Struct]) -> str:
    """The event's `type` in JSON."""
    return str(kind.__struct_config__.tag)


def meaning(kind: type[msgspec.Struct], name: str) -> str:
    """What a field says; "" where nobody has written it down."""
    return FIELDS.get(f"{tag(kind)}.{name}") or FIELDS.get(name, "")


def _rows(kind: type[msgspec.Struct], names: Iterator[str] | tuple[str, ...] | list[str]) -> list[tuple[str, ...]]:
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    return [(code(name), _word(fields[name].type), _default(fields[name]), meaning(kind, name)) for name in names]


def _word(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        return " or ".join("null" if part is NoneType else _word(part) for part in get_args(kind))
    if get_args(kind) == (Level,):
        return "list of [price, size]"
    if get_origin(kind) is tuple:
        return "list of text"
    return _WORDS[kind]


def _default(field: msgspec.structs.FieldInfo) -> str:
    return "" if field.required else code(msgspec.json.encode(field.default).decode())


def _appendix(kind: type[msgspec.Struct]) -> list[str]:
    if kind is Link:
        return [table(("state", "means"), ((code(name), text) for name, text in STATES.items()))]
    if kind is Gap:
        return [table(("cause", "means"), ((code(name), text) for name, text in CAUSES.items()))]
    return []
