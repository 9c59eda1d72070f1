"""What can go wrong at a venue, as text: `KIND@WHEN[+DURATION][:PARAM][/WHOSE]`, or `random:SEED[:PER_HOUR]`.

WHOSE says which connections it strikes: a number (the oldest is 1), a channel they carry, or `all`. A connection that
ends by such a fault ends alone: the market goes on, and for DURATION no dial succeeds.
"""

import difflib
import heapq
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tapeline.errors import ConfigError
from tapeline.model.interval import HOUR_NS, SECOND_NS
from tapeline.model.stamp import instant

LINK, DIAL, REQUEST, FRAME, QUIET, PACE = "link", "dial", "request", "frame", "quiet", "pace"
REST, ANSWER, NUMBERS = "rest", "answer", "numbers"
ORDER, TOLD = "order", "told"  # of a paper exchange: answers to order calls, frames of private streams
OF_CONNECTIONS = frozenset({LINK, FRAME, QUIET})  # what may strike some connections only


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: where it strikes, its duration where none is given, what its parameter is and defaults to."""

    where: str
    duration_s: float
    param: str  # "" (none), "count", "code", "seconds", "bytes" or "channel"
    default: str
    about: str


KINDS = {
    "cut": Kind(LINK, 0, "", "", "every connection drops without a close frame; DURATION of tape is lost"),
    "half": Kind(LINK, 0, "", "", "as cut, after half a frame"),
    "close": Kind(LINK, 0, "code", "1001", "as cut, with a close frame of this code"),
    "expire": Kind(LINK, 0, "", "", "every connection is closed because its life is over"),
    "closing": Kind(LINK, 30, "", "", "the venue's notice that it will close; it does so after DURATION"),
    "refuse": Kind(DIAL, 0, "count", "1", "dials are refused: for DURATION, or this many"),
    "no_ack": Kind(REQUEST, 0, "count", "1", "requests get no answer: for DURATION, or this many"),
    "mute": Kind(QUIET, 30, "", "", "connected, but nothing is said, pongs included; what is not said is lost"),
    "slow": Kind(PACE, 10, "seconds", "1", "everything comes this much later"),
    "duplicate": Kind(FRAME, 0, "channel", "", "frames come twice: for DURATION, or one"),
    "reorder": Kind(FRAME, 0, "channel", "", "neighbours of one topic change places: for DURATION, or once"),
    "drop": Kind(FRAME, 0, "channel", "", "frames vanish: for DURATION, or one"),
    "corrupt": Kind(FRAME, 0, "channel", "", "frames with a wrong byte: for DURATION, or one"),
    "torn": Kind(FRAME, 0, "channel", "", "frames that end in the middle: for DURATION, or one"),
    "utf8": Kind(FRAME, 0, "channel", "", "text frames that are not UTF-8: for DURATION, or one"),
    "oversize": Kind(FRAME, 0, "bytes", "10000000", "a text frame of this many bytes comes before the next"),
    "429": Kind(REST, 0, "seconds", "1", "REST answers HTTP 429 with this Retry-After: for DURATION, or once"),
    "ban": Kind(REST, 0, "seconds", "120", "REST answers HTTP 418 with this Retry-After: for DURATION, or once"),
    "down": Kind(REST, 30, "", "", "REST answers HTTP 503 to everything, as under maintenance: for DURATION"),
    "500": Kind(ANSWER, 0, "channel", "", "REST answers HTTP 500: for DURATION, or once"),
    "half_body": Kind(ANSWER, 0, "channel", "", "the body of a REST answer is cut off: for DURATION, or once"),
    "empty": Kind(ANSWER, 0, "channel", "", "a REST page holds nothing: for DURATION, or once"),
    "overlap": Kind(ANSWER, 0, "channel", "", "a REST page begins before what was asked for: for DURATION, or once"),
    "disorder": Kind(ANSWER, 0, "channel", "", "a REST page comes out of order: for DURATION, or once"),
    "short": Kind(ANSWER, 0, "channel", "", "a REST page lacks a row in its middle: for DURATION, or once"),
    "open_bar": Kind(ANSWER, 0, "", "", "a REST page of bars ends with the open one: for DURATION, or once"),
    "revise": Kind(ANSWER, 0, "", "", "the newest closed bar of a REST page is another one from now on"),
    "order_timeout": Kind(ORDER, 0, "", "", "an order call is carried out and never answered: for DURATION, or once"),
    "order_lost": Kind(
        ORDER, 0, "", "", "an order call is carried out, and the connection drops: for DURATION, or once"
    ),
    "order_502": Kind(
        ORDER, 0, "", "", "an order call is not carried out, and answered HTTP 502: for DURATION, or once"
    ),
    "order_503": Kind(ORDER, 0, "", "", "an order call is carried out, and answered HTTP 503: for DURATION, or once"),
    "order_429": Kind(
        ORDER, 0, "seconds", "1", "an order call is refused: too many, with this Retry-After: for DURATION, or once"
    ),
    "order_slow": Kind(ORDER, 0, "seconds", "1", "an order call is answered this much after its fills: once"),
    "fill_twice": Kind(TOLD, 0, "", "", "frames of a private stream come twice: for DURATION, or the next with a fill"),
    "told_shuffled": Kind(
        TOLD, 0, "", "", "what is told of an account at once comes in reverse: for DURATION, or once"
    ),
    "told_lost": Kind(TOLD, 0, "", "", "what a private stream should tell is not told: for DURATION, or once"),
    "anew": Kind(NUMBERS, 0, "count", "500", "the venue restarts, and its trades repeat this many numbers"),
}
# One is heavy, one is no tape's, the others need a paper exchange.
NEVER_BY_CHANCE = frozenset({
    "oversize", "anew", "down", "order_timeout", "order_lost", "order_502", "order_503", "order_429", "order_slow",
    "fill_twice", "told_shuffled", "told_lost",
})  # fmt: skip
_SPAN = r"\d+(?:\.\d+)?(?:ms|s|m|h)"
_SPEC = re.compile(
    rf"(?P<kind>[\w-]+)@(?P<when>\+{_SPAN}|\d{{5,}}|\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?)"
    rf"(?:\+(?P<duration>{_SPAN}))?(?::(?P<param>[^/]+))?(?:/(?P<whose>[\w:@]+))?",
    re.ASCII,
)
_UNITS = {"ms": SECOND_NS // 1000, "s": SECOND_NS, "m": 60 * SECOND_NS, "h": HOUR_NS}
_NUMBER = {"count": (1, 1e6), "code": (1000, 4999), "seconds": (0, 1e6), "bytes": (1, 1e9)}
_HELP = "write KIND@WHEN[+DURATION][:PARAM][/WHOSE] (cut@2024-08-08T23:56:30Z+20s) or random:SEED[:PER_HOUR]"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `at_ns` is tape time, or counts from the tape's start where `relative`; `whose` "": all there is."""

    kind: str
    at_ns: int
    duration_ns: int = 0
    param: str = ""
    relative: bool = False
    whose: str = ""

    @property
    def where(self) -> str:
        """What it strikes: one of LINK, DIAL, REQUEST, FRAME, QUIET, PACE, REST, ANSWER, NUMBERS, ORDER, TOLD."""
        return KINDS[self.kind].where

    @property
    def end_ns(self) -> int:
        """When it is over."""
        return self.at_ns + self.duration_ns

    def number(self) -> float:
        """The parameter of a kind that takes a number."""
        return float(self.param or KINDS[self.kind].default)


@dataclass(frozen=True, slots=True)
class Chance:
    """Faults of all kinds at random, always the same ones for one seed."""

    seed: int
    per_hour: float = 60.0

    def draw(self, start_ns: int) -> Iterator[Fault]:
        """Faults from the start on, for ever."""
        chance = random.Random(self.seed)
        kinds = [name for name in KINDS if name not in NEVER_BY_CHANCE]
        at_ns = start_ns
        while True:
            at_ns += 1 + int(chance.expovariate(self.per_hour) * HOUR_NS)
            kind = chance.choice(kinds)
            duration_ns = chance.randint(1, 20) * SECOND_NS
            once = KINDS[kind].where in {DIAL, REQUEST, FRAME, REST, ANSWER}
            yield Fault(kind, at_ns, 0 if once else duration_ns)


Spec = Fault | Chance


def fault(text: str) -> Spec:
    """The fault this text names. Raises ConfigError with the nearest right word."""
    if text.startswith("random"):
        return _chance(text)
    match = _SPEC.fullmatch(text)
    kind = text.partition("@")[0]
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(KINDS)}, random"
        raise ConfigError(f"unknown fault {kind!r} in {text!r}: {hint}")
    if match is None:
        raise ConfigError(f"fault {text!r} cannot be read: {_HELP}")
    when, duration, param, whose = match["when"], match["duration"], match["param"] or "", match["whose"] or ""
    _check_param(text, kind, param)
    if whose and KINDS[kind].where not in OF_CONNECTIONS:
        raise ConfigError(f"fault {text!r}: {kind} strikes no connection, so /{whose} says nothing")
    default_ns = int(KINDS[kind].duration_s * SECOND_NS)
    relative = when.startswith("+")
    at_ns = _span_ns(when[1:]) if relative else instant(when)
    return Fault(kind, at_ns, _span_ns(duration) if duration else default_ns, param, relative, whose)


def _chance(text: str) -> Chance:
    match = re.fullmatch(r"random:(\d+)(?::(\d+(?:\.\d+)?))?", text, re.ASCII)
    if match is None or (match[2] and float(match[2]) == 0):
        raise ConfigError(f"fault {text!r} cannot be read: random:SEED[:PER_HOUR], as in random:7:120")
    return Chance(int(match[1]), float(match[2] or 60))


def _span_ns(text: str) -> int:
    unit = text.lstrip("0123456789.")
    return round(float(text.removesuffix(unit)) * _UNITS[unit])


def _check_param(text: str, kind: str, param: str) -> None:
    takes = KINDS[kind].param
    if not param:
        return
    if not takes:
        raise ConfigError(f"fault {text!r}: {kind} takes no parameter")
    if takes == "channel":
        return
    least, most = _NUMBER[takes]
    try:
        good = least <= float(param) <= most
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"fault {text!r}: the parameter of {kind} is a number ({takes}, {least:g} to {most:g})")


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A moment at which a fault begins or ends; ends come first among equals."""

    at_ns: int
    begins: bool
    order: int
    fault: Fault


class Schedule:
    """Every beginning and end of a fault, in tape time, once the start is known."""

    def __init__(self, specs: Sequence[Spec], start_ns: int) -> None:
        self._edges: list[Edge] = []
        self._order = 0
        self._draws = [spec.draw(start_ns) for spec in specs if isinstance(spec, Chance)]
        self._drawn: dict[int, Iterator[Fault]] = {}
        for spec in specs:
            if isinstance(spec, Fault):
                self._add(replace(spec, at_ns=spec.at_ns + start_ns, relative=False) if spec.relative else spec)
        for draw in self._draws:
            self._next_of(draw)

    def next_ns(self) -> int | None:
        """When something next begins or ends; None where nothing will."""
        return self._edges[0].at_ns if self._edges else None

    def link_begins_next(self) -> bool:
        """Whether the next edge drops all connections, and the tape with them."""
        edge = self._edges[0] if self._edges else None
        return edge is not None and edge.begins and edge.fault.where == LINK and not edge.fault.whose

    def pop(self) -> Edge:
        """The next edge."""
        edge = heapq.heappop(self._edges)
        if edge.begins and (draw := self._drawn.pop(edge.order, None)) is not None:
            self._next_of(draw)
        return edge

    def _next_of(self, draw: Iterator[Fault]) -> None:
        self._add(next(draw))
        self._drawn[self._order] = draw

    def _add(self, one: Fault) -> None:
        self._order += 1
        heapq.heappush(self._edges, Edge(one.at_ns, True, self._order, one))
        if one.duration_ns and (one.where != LINK or one.kind == "closing" or one.whose):
            heapq.heappush(self._edges, Edge(one.end_ns, False, self._order, one))
