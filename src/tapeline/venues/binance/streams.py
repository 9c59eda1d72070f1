"""Stream names and topics, both ways, and what one market of the family says differently (`Dialect`)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tapeline.errors import ConfigError
from tapeline.model.channel import Channel, channel
from tapeline.model.interval import INTERVALS
from tapeline.model.topic import Topic
from tapeline.venues.binance.handlers import Bound
from tapeline.venues.spec import Subscribe

_DEPTH = re.compile(r"depth(5|10|20)?(?:@(\d{1,5}ms))?", re.ASCII)
VENUE_WIDE = "!"  # such streams name no symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One market of the family. `words` names the stream of each channel; `speeds` maps ours to the depth suffix."""

    words: Mapping[str, str]
    speeds: Mapping[str, str]
    intervals: tuple[str, ...]
    top: Bound  # reads `depth5`, `depth10`, `depth20`
    spot: bool  # says what spot says on the wire: no time in quotes and books, pairs in the instrument list


def stream_of(topic: Topic, dialect: Dialect) -> str:
    """The stream's name. Raises ConfigError for a channel this market has not."""
    of = channel(topic.channel)
    word = _word(of, dialect)
    if word is None:
        raise ConfigError(f"{topic.channel}: no such stream; there are {', '.join(dialect.words)}, book and bars")
    return word if word.startswith(VENUE_WIDE) else f"{topic.native.lower()}@{word}"


def topics_of(stream: str, dialect: Dialect) -> tuple[Topic, ...]:
    """The topics this stream brings: several where one stream serves several channels, none where it is unknown."""
    if stream.startswith(VENUE_WIDE):
        return tuple(Topic(kind, "") for kind, word in dialect.words.items() if word == stream)
    symbol, _, word = stream.partition("@")
    if not symbol or symbol != symbol.lower():  # the venue does not fold case
        return ()
    return tuple(Topic(text, symbol.upper()) for text in channels_of(word, dialect))


def channels_of(word: str, dialect: Dialect) -> tuple[str, ...]:
    """The channels of a stream, by what follows the symbol in its name."""
    if match := _DEPTH.fullmatch(word):
        levels, speed = match.groups()
        suffix = f"@{speed}" if speed else ""
        ours = next((name for name, theirs in dialect.speeds.items() if theirs == suffix), speed or "")
        return (str(Channel("book", levels=int(levels) if levels else None, speed=ours)),)
    if word.startswith("kline_"):
        interval = word.removeprefix("kline_")
        return (f"bars:{interval}",) if interval in INTERVALS else ()
    word = "markPrice@1s" if word == "markPrice" else word  # the same, every three seconds
    return tuple(kind for kind, theirs in dialect.words.items() if theirs == word)


def _word(of: Channel, dialect: Dialect) -> str | None:
    if of.kind == "book":
        suffix = dialect.speeds.get(of.speed, f"@{of.speed}")
        return f"depth{of.levels or ''}{suffix}"
    if of.kind == "bars":
        return f"kline_{of.interval}"
    return dialect.words.get(of.kind)


def requests(asked: Subscribe, dialect: Dialect) -> Sequence[bytes]:
    """The frame that asks for these topics, or gives them back; each stream once, though it serve several topics."""
    names = list(dict.fromkeys(stream_of(topic, dialect) for topic in asked.topics))
    if not names:
        return ()
    method = "SUBSCRIBE" if asked.on else "UNSUBSCRIBE"
    return (msgspec.json.encode({"method": method, "params": names, "id": asked.request_id}),)
