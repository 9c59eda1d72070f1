"""The venue's own side of a stream connection: requests read and answered, market frames named and renamed."""

import re
from functools import lru_cache, partial

import msgspec

from tapeline.errors import BadData
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues.binance import wire
from tapeline.venues.binance.encode import encode
from tapeline.venues.binance.refusals import error_body
from tapeline.venues.binance.rest import Rest
from tapeline.venues.binance.serve_rest import answer, read_path
from tapeline.venues.binance.streams import Dialect, stream_of, topics_of
from tapeline.venues.spec import Other, Server, Subscribe

CLOSING = b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}'
_OPEN = b'{"stream":"'
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")


class Asked(msgspec.Struct):
    """A request.

    {"method":"SUBSCRIBE","params":["btcusdt@aggTrade","btcusdt@depth@100ms"],"id":1}
    """

    method: str
    id: int | str | None
    params: list[str | bool] = []


_asked = msgspec.json.Decoder(Asked).decode
_envelope = msgspec.json.Decoder(wire.Envelope).decode
_peek = msgspec.json.Decoder(wire.Peek).decode
_peek_kline = msgspec.json.Decoder(wire.PeekKline).decode


def server(dialect: Dialect, rest: Rest, samples: tuple[Instrument, ...]) -> Server:
    """The venue's side of one market; `samples` are what a synthetic one trades.

    It holds no state, so LIST_SUBSCRIPTIONS is answered with an empty list.
    """
    named = lru_cache(maxsize=4096)(partial(_first_topic, dialect))

    def topic_of(frame: bytes) -> Topic | None:
        if frame.startswith(_OPEN):
            topic = named(frame[len(_OPEN) : frame.find(b'"', len(_OPEN))])
            if topic is not None:
                return topic
        return _topic_of(frame, dialect)

    return Server(
        read_request=lambda frame: read_request(frame, dialect),
        acknowledge=lambda asked: (b'{"result":null,"id":%d}' % asked.request_id,),
        refuse=refuse,
        pong=None,
        topic_of=topic_of,
        rename=lambda frame, topic: rename(frame, topic, dialect),
        encode=lambda event, native: encode(event, native, dialect),
        read_rest=lambda path, query: read_path(path, query, rest),
        answer_rest=lambda ask, items: answer(ask, items, rest, spot=dialect.spot),
        rest_error=error_body,
        url_topics=lambda path: url_topics(path, dialect),
        closing=CLOSING,
        sample_instruments=samples,
    )


def read_request(frame: bytes, dialect: Dialect) -> Subscribe | Other:
    """What a client asks. Raises BadData on what the venue refuses; unknown streams are just not among the topics."""
    try:
        asked = _asked(frame)
    except msgspec.ValidationError as error:
        raise BadData(f"Invalid request: {error}", kind="schema") from error
    except (ValueError, RecursionError) as error:
        raise BadData(f"Invalid JSON: {error}", kind="bad_json") from error
    match asked.method:
        case "SUBSCRIBE" | "UNSUBSCRIBE":
            return _subscribe(asked, dialect)
        case "LIST_SUBSCRIPTIONS":
            return _result([], asked)
        case "SET_PROPERTY":
            if len(asked.params) != 2 or not isinstance(asked.params[1], bool):
                raise BadData("Invalid value type: expected Boolean", kind="schema")
            return _result(None, asked)
        case "GET_PROPERTY":
            return _result(True, asked)
    raise BadData(f"Invalid request: unknown variant {asked.method!r}", kind="unknown_type")


def refuse(request_id: int | None, code: str, words: str) -> bytes:
    """The venue's error frame; a code that is no number is sent as 2, a malformed request."""
    number = int(code) if code.lstrip("-").isdigit() else 2
    return msgspec.json.encode({"code": number, "msg": words, "id": request_id})


def rename(frame: bytes, topic: Topic, dialect: Dialect) -> bytes:
    """The same payload under another stream's name; a raw payload is wrapped in it."""
    name = stream_of(topic, dialect).encode()
    if frame.startswith(_OPEN):
        return _OPEN + name + frame[frame.find(b'"', len(_OPEN)) :]
    return _OPEN + name + b'","data":' + frame + b"}"


def url_topics(path: str, dialect: Dialect) -> tuple[Topic, ...]:
    """Topics named in a connection's path: `/stream?streams=a/b` or `/ws/a/b`, behind a route or not."""
    _, streams, names = path.partition("streams=")
    names = names.partition("&")[0] if streams else path.partition("?")[0].partition("/ws/")[2]
    plain = _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), names.encode()).decode(errors="replace")
    return tuple(topic for name in plain.split("/") if name for topic in topics_of(name, dialect))


def _subscribe(asked: Asked, dialect: Dialect) -> Subscribe:
    if not isinstance(asked.id, int):
        raise BadData(f"Invalid request: this server reads whole numbers as ids, not {asked.id!r}", kind="schema")
    found = [topic for name in asked.params if isinstance(name, str) for topic in topics_of(name, dialect)]
    return Subscribe(tuple(dict.fromkeys(found)), asked.id, asked.method == "SUBSCRIBE")


def _result(result: object, asked: Asked) -> Other:
    return Other((msgspec.json.encode({"result": result, "id": asked.id}),))


def _first_topic(dialect: Dialect, stream: bytes) -> Topic | None:
    return next(iter(topics_of(stream.decode(errors="replace"), dialect)), None)


def _topic_of(frame: bytes, dialect: Dialect) -> Topic | None:
    """By the payload, where no stream name tells: raw frames, all-market streams of single payloads."""
    try:
        envelope = _envelope(frame)
        about = _peek(frame if envelope.data is msgspec.UNSET else envelope.data)
        if about.e == "kline" and about.k is not msgspec.UNSET:
            return _first_topic(dialect, f"{about.s.lower()}@kline_{_peek_kline(about.k).i}".encode())
    except (ValueError, RecursionError):
        return None
    word = "bookTicker" if not about.e and about.u is not msgspec.UNSET else _WORDS.get(about.e)
    if word is None or not about.s:
        return None
    return Topic("status", "") if word.startswith("!") else _first_topic(dialect, f"{about.s.lower()}@{word}".encode())


_WORDS = {
    "trade": "trade", "aggTrade": "aggTrade", "bookTicker": "bookTicker", "depthUpdate": "depth@100ms",
    "24hrTicker": "ticker", "24hrMiniTicker": "ticker", "markPriceUpdate": "markPrice@1s", "contractInfo": "!",
}  # fmt: skip
