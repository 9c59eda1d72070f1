"""Whether a trading engine is well: vitals in, checks with a threshold, a state and what to do out. Pure.

Every check has two edges, as alerts have: it fails above its limit, and is well again once it has been under four
fifths of it for a while. What fails asks for the state that the configuration names, once each time it begins to fail;
a person who resumes while it still does is taken to know.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from tapeline.config import WatchConfig
from tapeline.market.health import CLEAR_AT, CLEAR_S
from tapeline.trading.input import Healthy

MIB = 2**20
MINUTE_S = 60.0
OVERLOAD = frozenset({"loop_lag", "queue_age"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What is measured, all at one time. A figure that is not known is left out, or None."""

    loop_lag_s: float = 0.0
    queue_age_s: float = 0.0
    store_behind_s: float = 0.0
    memory_bytes: int | None = None
    latency_s: Mapping[str, float] = field(default_factory=dict)  # by venue: from its stamp to us
    clock_offset_s: Mapping[str, float] = field(default_factory=dict)  # by venue, after correction
    feed_age_s: Mapping[str, float] = field(default_factory=dict)  # by instrument that is traded
    outages: Mapping[str, int] = field(default_factory=dict)  # by venue, since the start
    not_trading: Mapping[str, str] = field(default_factory=dict)  # instrument -> the venue's word for its status
    reconciled_s_ago: Mapping[str, float] = field(default_factory=dict)  # by account
    unexplained: Mapping[str, str] = field(default_factory=dict)  # account -> what reconciliation cannot explain
    rejects_in_row: Mapping[str, int] = field(default_factory=dict)  # by account


class Reading(NamedTuple):
    """One figure of one check. `subject` is a venue, an instrument or an account, "" the process."""

    check: str
    subject: str
    value: float
    limit: float
    text: str
    reaction: str = "warn"


class Row(msgspec.Struct, frozen=True):
    """One check as `tapeline health` shows it: `state` is ok | warn | fail."""

    check: str
    subject: str
    state: str
    value: float
    limit: float
    text: str
    todo: str
    since_ns: int


class Wish(NamedTuple):
    """A worse state that a check asks for, of one account or of all ("")."""

    account: str
    state: str
    why: str


REMEDY: Mapping[str, str] = {
    "loop_lag": "fewer instruments or strategies in this process, or a faster machine; look for a slow callback",
    "queue_age": "the same; `tapeline status` names what is slow",
    "store": "look at the disk: full, slow or locked",
    "memory": "restart in a quiet hour; fewer instruments in one process",
    "latency": "look at the network and at the venue's own status page",
    "clock": "synchronise the machine's clock (chrony, systemd-timesyncd)",
    "feed": "look at the venue's status page and at `tapeline gaps`; positions can still be closed",
    "reconnects": "look at the network; a second connection (`connections = 2`) rides over single cuts",
    "venue_status": "wait: the venue does not trade this now",
    "reconciliation_age": "look whether the venue answers signed requests: keys, IP list, bans",
    "mismatch": "look at the difference; `tapeline resume` once it is explained",
    "rejects": "read the venue's reasons in the journal; stop the strategy that sends them",
}
"""Of each check: what a person does about it."""


@dataclass(slots=True)
class _State:
    state: str
    since_ns: int
    good_at: float  # when it was last clearly good
    bad_at: float  # when it was last not
    reading: Reading
    asked: str = ""  # the worst state asked for since it began


class Monitor:
    """`accounts_of(subject)` are the accounts that a check of this venue, instrument or account concerns."""

    def __init__(self, settings: WatchConfig, accounts_of: Callable[[str], list[str]]) -> None:
        self._settings, self._accounts_of = settings, accounts_of
        self._states: dict[tuple[str, str], _State] = {}
        self._outages: dict[str, list[tuple[float, int]]] = {}

    def look(self, vitals: Vitals, now: float, now_ns: int) -> tuple[list[Healthy], list[Wish]]:
        """What changed since the last time, and what is asked for; `now` is monotonic. Call it about once a second."""
        news: list[Healthy] = []
        wishes: list[Wish] = []
        seen = set()
        for reading in self._readings(vitals, now):
            key = (reading.check, reading.subject)
            seen.add(key)
            known = self._states.get(key)
            if known is None:
                known = self._states[key] = _State("ok", now_ns, now, now - CLEAR_S, reading)
            after = self._judged(known, reading, now)
            if after != known.state:
                known.state, known.since_ns = after, now_ns
                news.append(Healthy(*_told(reading, after), now_ns, reading.subject))
            wishes += self._wished(known, reading, now)
        for key in [key for key in self._states if key not in seen]:
            gone = self._states.pop(key)
            if gone.state != "ok":
                news.append(Healthy(gone.reading.check, "ok", "no longer watched", now_ns, gone.reading.subject))
        return news, wishes

    def rows(self) -> list[Row]:
        """Every check, the worst first."""
        order = {"fail": 0, "warn": 1, "ok": 2}
        rows = [
            Row(
                each.reading.check, each.reading.subject, each.state, round(each.reading.value, 3), each.reading.limit,
                each.reading.text, REMEDY[each.reading.check] if each.state != "ok" else "", each.since_ns,
            )
            for each in self._states.values()
        ]  # fmt: skip
        return sorted(rows, key=lambda row: (order[row.state], row.check, row.subject))

    @property
    def failing(self) -> list[str]:
        """The checks that fail now; while there are any, no dead-man timer is renewed for new orders' sake."""
        return sorted({each.reading.check for each in self._states.values() if each.state == "fail"})

    # ---- within ------------------------------------------------------------------------------------------------------

    def _judged(self, known: _State, reading: Reading, now: float) -> str:
        """The state: over the limit it fails, and is well only after a while under four fifths of it."""
        known.reading = reading
        if reading.value <= reading.limit * CLEAR_AT:
            known.good_at = now
        else:
            known.bad_at = now
        if reading.value > reading.limit:
            if known.state != "fail":
                known.asked = ""
            return "fail"
        if known.state == "ok":
            return "warn" if reading.value > reading.limit * CLEAR_AT else "ok"
        return known.state if now - known.bad_at < CLEAR_S else "ok"

    def _wished(self, known: _State, reading: Reading, now: float) -> Iterator[Wish]:
        if reading.value <= reading.limit:
            return
        state = reading.reaction
        if reading.check in OVERLOAD:
            lasted_s = now - known.good_at
            state = "warn" if lasted_s < self._settings.overload_s else "reduce_only"
            if lasted_s >= self._settings.overload_halt_s:
                state = "halted"
        if state in {"warn", known.asked}:
            return
        known.asked = state
        accounts = self._accounts_of(reading.subject) if reading.subject else [""]
        for account in accounts:
            yield Wish(account, state, f"{reading.check}: {reading.text}")

    def _readings(self, vitals: Vitals, now: float) -> Iterator[Reading]:
        of = self._settings
        yield Reading("loop_lag", "", vitals.loop_lag_s, of.loop_lag_s, f"the loop is {vitals.loop_lag_s:.2f} s late")
        yield Reading("queue_age", "", vitals.queue_age_s, of.queue_age_s, f"events wait {vitals.queue_age_s:.2f} s")
        yield Reading(
            "store", "", vitals.store_behind_s, of.queue_age_s * 5, f"rows wait {vitals.store_behind_s:.1f} s"
        )
        if of.memory_mb is not None and vitals.memory_bytes is not None:
            held = vitals.memory_bytes / MIB
            yield Reading("memory", "", held, of.memory_mb, f"{held:.0f} MiB are held")
        yield from self._of_venues(vitals, now)
        for instrument, age_s in vitals.feed_age_s.items():
            text = f"nothing of it for {age_s:.0f} s"
            yield Reading("feed", instrument, age_s, of.data_lost_s, text, of.on_data_loss)
        for instrument, word in vitals.not_trading.items():
            yield Reading("venue_status", instrument, 1.0, 0.0, f"the venue says {word}")
        yield from self._of_accounts(vitals)

    def _of_venues(self, vitals: Vitals, now: float) -> Iterator[Reading]:
        of = self._settings
        for venue, latency_s in vitals.latency_s.items():
            yield Reading("latency", venue, latency_s, of.latency_s, f"its events take {latency_s:.2f} s to us")
        for venue, offset_s in vitals.clock_offset_s.items():
            text = f"our clock is {offset_s:+.3f} s off"
            yield Reading("clock", venue, abs(offset_s), of.clock_offset_s, text, of.on_clock)
        for venue, count in vitals.outages.items():
            lately = self._lately(venue, count, now)
            text = f"{lately} outages within a minute"
            yield Reading("reconnects", venue, lately, of.reconnects_per_minute, text, of.on_reconnects)

    def _of_accounts(self, vitals: Vitals) -> Iterator[Reading]:
        of = self._settings
        for account, ago_s in vitals.reconciled_s_ago.items():
            text = f"last compared with the venue {ago_s:.0f} s ago"
            yield Reading("reconciliation_age", account, ago_s, of.reconciled_older_s, text)
        for account, text in vitals.unexplained.items():
            yield Reading("mismatch", account, 1.0 if text else 0.0, 0.0, text or "nothing unexplained", of.on_mismatch)
        for account, count in vitals.rejects_in_row.items():
            text = f"{count} orders in a row were refused"
            yield Reading("rejects", account, count, of.rejects_in_row - 0.5, text, of.on_rejects)

    def _lately(self, venue: str, count: int, now: float) -> int:
        """How many were added within the last minute."""
        samples = self._outages.setdefault(venue, [])
        samples.append((now, count))
        while len(samples) > 1 and samples[1][0] <= now - MINUTE_S:
            samples.pop(0)
        return count - samples[0][1]


def _told(reading: Reading, state: str) -> tuple[str, str, str]:
    return reading.check, state, reading.text if state == "ok" else f"{reading.text}; to do: {REMEDY[reading.check]}"


def as_json(rows: list[Row]) -> list[dict[str, Any]]:
    """For the status object."""
    return [msgspec.structs.asdict(row) for row in rows]
