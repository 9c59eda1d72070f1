"""When an instrument is polled instead of streamed, and when it comes back. Pure: time is an argument.

    streaming --(failures | silence | refused)--> polling --(cool-down)--> trying --(delivers steadily)--> streaming
                                                     ^------(fails, or says nothing)-----'

While polling and while trying, the instrument is polled; whatever its stream brings meanwhile is taken too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Mode = Literal["websocket", "polling", "hybrid", "auto"]
Use = Literal["websocket", "polling"]
MODES: Final[tuple[Mode, ...]] = ("websocket", "polling", "hybrid", "auto")
FALLS_BACK: Final = frozenset({"hybrid", "auto"})
NO_PLACE: Final = "the venue's limit of topics is used up by streams with a higher websocket_priority"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How patient to be, in seconds. `longest_s`: `auto` doubles the cool-down each fall, up to this."""

    failures: int = 3
    silence_s: float = 60.0
    cooldown_s: float = 300.0
    steady_s: float = 30.0  # a stream on trial delivers for so long before it is trusted again
    longest_s: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is wanted of an instrument, and what the venue offers for it."""

    mode: Mode = "auto"
    fallback: bool = True  # polling may take over where the mode streams
    streams: bool = True  # the venue has a stream of every channel
    polls: bool = True  # and REST calls that bring the same
    place: bool = True  # and there is room for it within the venue's limit of topics

    @property
    def falls_back(self) -> bool:
        """Whether polling may take over."""
        return self.mode in FALLS_BACK and self.fallback and self.polls

    def impossible(self) -> str:
        """Why this cannot be had, "" where it can."""
        if self.mode == "polling" and not self.polls:
            return "cannot be polled: no REST call brings it whole"
        if self.mode != "polling" and not self.streams and not self.polls:
            return "can be neither streamed nor polled"
        if self.mode == "websocket" and not self.streams:
            return "has no stream"
        return ""


@dataclass(frozen=True, slots=True)
class Switch:
    """From one way to the other, and why in words."""

    before: Use
    after: Use
    reason: str


class Course:
    """The way one instrument's data come, step by step.

    `uses` is how they come now; `state` is streaming | polling | trying; `reason` says why in words. Whoever owns it
    tells it what happens and calls `tick` every second or so, which returns a switch to be made.
    """

    def __init__(self, terms: Terms, now: float, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.terms = terms
        self.since = now
        self.switches = 0
        self.failures = 0  # of the stream, since it was last sound
        self._heard_at = self._troubled_at = now
        self._trouble = ""
        self._down = False
        self._refused = ""
        self._sound_since: float | None = None  # on trial: since when it delivers
        self._cool_until = float("inf")
        self._cooldown_s = self.rules.cooldown_s
        self._tried_at = now
        self._retry = False
        self.uses, self.reason = _first(terms)
        self.state = "streaming" if self.uses == "websocket" else "polling"

    # ---- what happens ----------------------------------------------------------------------------------------

    def up(self) -> None:
        """The connection of its stream is up."""
        self._down = False

    def down(self, now: float, reason: str, heard_at: float | None = None) -> None:
        """It is down: a failure. `heard_at` is when it last gave a sign of life, where that is known."""
        self.failed(now, reason, heard_at)
        self._down = True

    def failed(self, now: float, reason: str, heard_at: float | None = None) -> None:
        """A dial, a subscription or the stream itself failed."""
        if not self.failures and not self._down:  # it was sound until then: silence counts from there
            self._heard_at = max(self._heard_at, now if heard_at is None else heard_at)
        self.failures += 1
        self._trouble, self._troubled_at, self._sound_since = reason, now, None

    def refused(self, now: float, reason: str) -> None:
        """The venue will not stream it: there is no use in trying more often."""
        self._refused = reason
        self.failed(now, reason)

    def heard(self, now: float) -> None:
        """The stream brought something, or is known to deliver all there is."""
        self._heard_at = now
        if self._sound_since is None:
            self._sound_since = now
        if self._down:
            return
        self._refused = ""
        if self.failures and now - max(self._troubled_at, self._sound_since) >= self.rules.steady_s:
            self.failures = 0

    @property
    def is_down(self) -> bool:
        """Whether the connection of its stream is down."""
        return self._down

    @property
    def retry_due(self) -> bool:
        """Whether the stream should be asked for again; true once for each trial."""
        due, self._retry = self._retry, False
        return due

    def set(self, terms: Terms, now: float, why: str) -> Switch | None:
        """Other terms from now on. To polling at once; to the stream once it has shown that it delivers."""
        self.terms = terms
        self.failures, self._refused, self._cooldown_s, self._down = 0, "", self.rules.cooldown_s, False
        uses, reason = _first(terms)
        self.reason = f"{reason} ({why})"
        if uses == "polling":
            self._cool_until = float("inf")
            self.state = "polling"
            return self._switched("polling", self.reason, now)
        if self.uses == "polling":
            self._try(now)
        return None

    def tick(self, now: float) -> Switch | None:
        """What time brings."""
        if self.state == "streaming":
            return self._fall(now)
        if self.state == "polling" and now >= self._cool_until:
            self._try(now)
        return self._come_back(now) if self.state == "trying" else None

    # ---- inside ----------------------------------------------------------------------------------------------

    def _fall(self, now: float) -> Switch | None:
        why = self._why_fall(now) if self.terms.falls_back else ""
        if not why:
            if now - self._heard_at < self.rules.steady_s and now - self.since >= self.rules.longest_s:
                self._cooldown_s = self.rules.cooldown_s  # good behaviour for so long: the next cool-down is short
            return None
        return self._switched("polling", f"{why}; the stream is tried again in {self._cool(now):g} s", now)

    def _why_fall(self, now: float) -> str:
        if self._refused:
            return f"the stream was refused: {self._refused}"
        if self.failures >= self.rules.failures:
            return f"the stream failed {self.failures} times, the last: {self._trouble}"
        silent_s = now - self._heard_at
        if (self.failures or self._down) and silent_s >= self.rules.silence_s:
            return f"the stream was silent for {silent_s:.0f} s: {self._trouble}"
        return ""

    def _try(self, now: float) -> None:
        self.state, self._tried_at, self._retry = "trying", now, True
        self.failures = 0

    def _come_back(self, now: float) -> Switch | None:
        rules, sound_since = self.rules, self._sound_since
        if sound_since is not None and not self._down and now - self._heard_at <= rules.steady_s:
            if now - sound_since < rules.steady_s:
                return None
            self.state, self.failures = "streaming", 0
            return self._switched("websocket", f"the stream has delivered for {now - sound_since:.0f} s", now)
        if self.failures >= rules.failures or now - max(self._tried_at, self._heard_at) >= rules.silence_s:
            why = self._trouble or "it brings nothing"
            self.state, self._cool_until = "polling", now + rules.cooldown_s
            self.reason = f"the stream was tried again in vain: {why}; the next time in {rules.cooldown_s:g} s"
        return None

    def _cool(self, now: float) -> float:
        """Leave the stream alone for a while; `auto` does so for twice as long the next time that it falls back."""
        cooldown_s = self._cooldown_s
        self.state, self._cool_until = "polling", now + cooldown_s
        if self.terms.mode == "auto":
            self._cooldown_s = min(self.rules.longest_s, 2 * cooldown_s)
        return cooldown_s

    def _switched(self, after: Use, reason: str, now: float) -> Switch | None:
        self.reason = reason
        if after == self.uses:
            return None
        before, self.uses, self.since = self.uses, after, now
        self.switches += 1
        self._heard_at = now  # silence counts from here
        return Switch(before, after, reason)


def _first(terms: Terms) -> tuple[Use, str]:
    """How to begin, and why."""
    if terms.mode == "polling":
        return "polling", "mode polling"
    if not terms.streams:
        return "polling", "the venue has no stream of it"
    if not terms.place and terms.falls_back:
        return "polling", NO_PLACE
    if terms.mode == "websocket":
        return "websocket", "mode websocket"
    if not terms.polls:
        return "websocket", f"mode {terms.mode}: no REST call brings it whole, so that it is only streamed"
    return "websocket", f"mode {terms.mode}: the venue streams it"


@dataclass(frozen=True, slots=True)
class Claim:
    """So many topics that want a place on the venue's connections. `movable`: they may be polled instead."""

    topics: int
    priority: int
    movable: bool


def places(claims: Mapping[str, Claim], most: float) -> set[str]:
    """Whose topics are streamed where the venue takes only so many: what cannot be polled, then by priority, then as
    they were given. One that does not fit leaves its room to smaller ones behind it.
    """
    order = sorted(claims, key=lambda name: (claims[name].movable, -claims[name].priority))
    kept, left = set[str](), most
    for name in order:
        if claims[name].topics <= left or not claims[name].movable:
            kept.add(name)
            left -= claims[name].topics
    return kept
