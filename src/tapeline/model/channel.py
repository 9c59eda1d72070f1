"""The channel grammar of configuration, topics, coverage and rows.

trades | aggtrades | quotes | ticker | book[:LEVELS][@SPEED] | bars:INTERVAL[@trades|@aggtrades]
| mark | index | funding | open_interest | liquidations | status
"""

import difflib
import re

import msgspec

from tapeline.errors import ConfigError
from tapeline.model.interval import INTERVALS, interval

PLAIN = (
    "trades",
    "aggtrades",
    "quotes",
    "ticker",
    "mark",
    "index",
    "funding",
    "open_interest",
    "liquidations",
    "status",
)
BUILT_FROM = ("trades", "aggtrades")
_BOOK = re.compile(r"book(?::(\d{1,4}))?(?:@(\d{1,5}ms))?", re.ASCII)


class Channel(msgspec.Struct, frozen=True):
    """A channel, parsed. `str()` gives the name back; `built_from` is "" for what the venue sends itself."""

    kind: str  # one of PLAIN, or "book", or "bars"
    levels: int | None = None
    speed: str = ""  # "100ms"; "" is the venue's fastest documented one
    interval: str = ""
    built_from: str = ""

    def __str__(self) -> str:
        if self.kind == "book":
            levels = f":{self.levels}" if self.levels else ""
            return f"book{levels}{'@' + self.speed if self.speed else ''}"
        if self.kind == "bars":
            return f"bars:{self.interval}{'@' + self.built_from if self.built_from else ''}"
        return self.kind

    @property
    def wire(self) -> "Channel":
        """The channel a venue has to stream for this one: itself, or what its bars are built from."""
        return Channel(self.built_from) if self.built_from else self


def channel(text: str) -> Channel:
    """The channel this text names. Raises ConfigError with the nearest right word."""
    if not isinstance(text, str):  # of a user, who may have no type checker
        raise ConfigError(f"{text!r} is no channel: write it as text, as 'trades', and several one after the other")
    if text in PLAIN:
        return Channel(text)
    if match := _BOOK.fullmatch(text):
        levels, speed = match.groups()
        if levels is not None and int(levels) == 0:
            raise ConfigError(f"channel {text!r}: a book has at least one level")
        return Channel("book", levels=int(levels) if levels else None, speed=speed or "")
    if text.startswith("bars:"):
        name, _, source = text.removeprefix("bars:").partition("@")
        if ("@" in text) and source not in BUILT_FROM:
            raise ConfigError(f"channel {text!r}: bars are built from {' or '.join(BUILT_FROM)}, not from {source!r}")
        return Channel("bars", interval=interval(name).name, built_from=source)
    known = [*PLAIN, "book", *(f"bars:{name}" for name in INTERVALS)]
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.4)
    raise ConfigError(f"unknown channel {text!r}" + (f": did you mean {near[0]!r}?" if near else f": one of {known}"))
