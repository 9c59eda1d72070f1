"""OKX's own side of a connection: requests read and answered, market frames named and renamed. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw, Struct

from tapeline.errors import BadData
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues.okx.control import UPGRADE
from tapeline.venues.okx.encode import encode
from tapeline.venues.okx.serve_rest import answer_rest, read_rest, rest_error
from tapeline.venues.okx.wire import CONNECTION, UNREADABLE, Arg, arg_of, topic_of
from tapeline.venues.spec import Ping, Server, Subscribe

_OPEN = b'{"arg":{'


class _Request(Struct, omit_defaults=True):
    """A request.

    {"id":"1512","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}
    """

    op: str
    args: list[Arg]
    id: str = ""


class _Peek(Struct):
    arg: Arg | None = None
    event: str = ""


_json = msgspec.json.encode
_request = msgspec.json.Decoder(_Request).decode
_peek = msgspec.json.Decoder(_Peek).decode
_parts = msgspec.json.Decoder(dict[str, Raw]).decode


def read_request(frame: bytes) -> Subscribe | Ping:
    """The inverse of `asking`, with each arg as its own topic (see `wire`). Request 0 stands for one without id."""
    if frame == b"ping":
        return Ping()
    try:
        request = _request(frame)
    except UNREADABLE as error:
        raise BadData(f"okx: invalid request: {error}", kind="schema") from error
    if request.op not in {"subscribe", "unsubscribe"}:
        raise BadData(f"okx: {request.op[:40]!r} is no public request", kind="private")
    topics = []
    for arg in request.args:
        topic = topic_of(arg)
        if topic is None or arg_of(topic) != arg:
            raise BadData(f"okx: {_named(arg)} doesn't exist", kind="unknown_type")
        topics.append(topic)
    number = int(request.id) if request.id.isascii() and request.id.isdigit() else 0
    return Subscribe(tuple(topics), number, request.op == "subscribe")


def acknowledge(asked: Subscribe) -> Sequence[bytes]:
    """One confirmation per arg."""
    number: dict[str, Any] = {"id": str(asked.request_id)} if asked.request_id else {}
    event = "subscribe" if asked.on else "unsubscribe"
    args = dict.fromkeys(arg_of(topic) for topic in asked.topics)
    return [_json({**number, "event": event, "arg": arg, "connId": CONNECTION}) for arg in args]


def refuse(request_id: int | None, code: str, text: str) -> bytes:
    """An error frame."""
    number = {} if request_id is None else {"id": str(request_id)}
    return _json({**number, "event": "error", "code": code, "msg": text, "connId": CONNECTION})


@lru_cache(maxsize=4096)
def _topic_of_prefix(prefix: bytes) -> Topic | None:
    return _topic_of(prefix + b"}}")


def _topic_of(frame: bytes) -> Topic | None:
    try:
        peek = _peek(frame)
    except UNREADABLE:
        return None
    return topic_of(peek.arg) if peek.arg is not None and not peek.event else None


def topic_of_frame(frame: bytes) -> Topic | None:
    """The topic of a market frame, as `read_request` names it; None for anything else."""
    if frame.startswith(_OPEN):
        return _topic_of_prefix(frame[: frame.find(b"}")])
    return _topic_of(frame)


def rename(frame: bytes, topic: Topic) -> bytes:
    """The same market frame under another topic's name. Raises BadData for what is no market frame."""
    try:
        parts: dict[str, Any] = _parts(frame)
    except UNREADABLE as error:
        raise BadData(f"okx: cannot rename {frame[:80]!r}", kind="bad_json") from error
    if "arg" not in parts:
        raise BadData(f"okx: cannot rename {frame[:80]!r}", kind="schema")
    return _json({**parts, "arg": arg_of(topic)})


def _named(arg: Arg) -> str:
    fields = (("channel", arg.channel), ("instType", arg.instType), ("instId", arg.instId))
    return "Wrong URL or " + ",".join(f"{name}:{value}" for name, value in fields if value)


def _samples() -> tuple[Instrument, ...]:
    """Two pairs and their perpetual swaps, by the venue's rules of 2024."""
    spots = (("BTC", "0.1", "0.00000001", "0.00001", "3"), ("ETH", "0.01", "0.000001", "0.001", "11"))
    swaps = (("BTC", "0.1", "0.01", "0.01", "10459"), ("ETH", "0.01", "0.1", "0.01", "10461"))
    return (
        *(
            Instrument(
                venue="okx", symbol=f"{base}/USDT", native=f"{base}-USDT", kind="spot", base=base, quote="USDT",
                tick=Decimal(tick), lot=Decimal(lot), min_size=Decimal(least), code=code,
            )
            for base, tick, lot, least, code in spots
        ),
        *(
            Instrument(
                venue="okx", symbol=f"{base}/USDT:USDT", native=f"{base}-USDT-SWAP", kind="perpetual", base=base,
                quote="USDT", settle="USDT", tick=Decimal(tick), lot=Decimal("0.01"), min_size=Decimal(least),
                size_unit="contract", contract_size=Decimal(face), code=code,
            )
            for base, tick, face, least, code in swaps
        ),
    )  # fmt: skip


SERVER = Server(
    read_request=read_request,
    acknowledge=acknowledge,
    refuse=refuse,
    pong=b"pong",
    topic_of=topic_of_frame,
    rename=rename,
    encode=encode,
    read_rest=read_rest,
    answer_rest=answer_rest,
    rest_error=rest_error,
    closing=refuse(
        None, UPGRADE, "The connection will soon be closed for a service upgrade. Please reconnect."
    ).replace(b'"error"', b'"notice"'),
    no_such=("60018", "Wrong URL or channel doesn't exist. Please use the correct URL, channel and parameters."),
    sample_instruments=_samples(),
)
