"""Is a connection worth replacing before it ends? Seeded weather on one connection, in virtual time, under several rules.

A venue tells one trade a second. What can go wrong is drawn per connection, by kind; every rule meets the same seeds.
Seconds of gap are trades that never came, late those that came 5 s after they happened; an extra dial is one that no end of a connection made necessary.

    uv run python bench/score.py            # all weather, at the rates of WEATHER
    uv run python bench/score.py --each     # each kind alone
"""

import argparse
import asyncio
import math
import random
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

import msgspec

from tapeline.errors import BadData, ConnectionLost
from tapeline.model.event import Gap, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.sim.loop import VirtualClock, run
from tapeline.venues.spec import Ack, Feed, Heartbeat, Limits, Venue
from tapeline.wire.breaker import Breaker
from tapeline.wire.feed import KeepFed, keep_fed
from tapeline.wire.leg import Patience
from tapeline.wire.merge import Merge
from tapeline.wire.pace import TokenBucket, backoff
from tapeline.wire.session import Timing
from tapeline.wire.shards import Shard

LATE_S = 5.0  # what comes later than this is of little use to who trades by it
DIAL_S, RTT_S = 0.8, 0.08  # name, TCP, TLS, upgrade; then there and back
TOPIC, NAME = Topic("trades", "A"), "toy:A/X"
# What happens to a connection: how often in a day, and whether it is the end of it.
WEATHER = {
    "cut": (4.0, "ends at once, without warning"),
    "worse, cut": (2.0, "answers take ever longer for 20 to 120 s, up to some seconds; then it ends"),
    "worse, well": (4.0, "the same, and it recovers"),
    "half-open": (2.0, "nothing more comes, and nobody says so"),
    "stall": (10.0, "nothing comes for 1 to 60 s, then everything at once"),
    "errors, cut": (0.5, "ever more unreadable frames; then it ends"),
    "errors, well": (2.0, "some unreadable frames"),
}
AGE_S = 6 * 3600.0  # of `--each`: the age at which a venue that does not say so ends every connection


@dataclass(frozen=True)
class Bout:
    """One thing that happens to a connection, from its age on."""

    kind: str
    at_s: float
    lasts_s: float
    depth: float


def drawn(chance, life_s, ages):
    """What a connection will meet in its life."""
    bouts = []
    for kind, (per_day, _) in WEATHER.items():
        at_s = 0.0
        while (at_s := at_s + chance.expovariate(per_day / 86_400)) < life_s:
            lasts_s = math.exp(chance.uniform(0, math.log(60))) if kind == "stall" else chance.uniform(20, 120)
            bouts.append(Bout(kind, at_s, lasts_s, chance.uniform(1, 6)))
    if ages:
        bouts.append(Bout("age", AGE_S, 0.0, 0.0))
    return sorted(bouts, key=lambda bout: bout.at_s)


class Wire:
    """One connection of the venue, and its weather. A `Pipe`."""

    def __init__(self, bouts, seen, met):
        self._loop = asyncio.get_running_loop()
        self.born = self._loop.time()
        self._bouts, self._seen, self._met = bouts, seen, met
        self._waiting, self._news = [], asyncio.Event()
        self._life = self._woken = False
        self._over = None
        self._last_at = self.born  # what was sent first comes first
        self._timers = set()
        self._on = False
        self._noise = random.Random(len(bouts))
        for bout in bouts:
            self._at(self.born + bout.at_s - 0.001, lambda kind=bout.kind: self._met.update([kind]))
            if bout.kind in {"cut", "age"}:
                self._at(self.born + bout.at_s, lambda kind=bout.kind: self._end(kind))
            elif bout.kind.endswith(", cut"):
                self._at(self.born + bout.at_s + bout.lasts_s, lambda kind=bout.kind: self._end(kind))

    def close(self):
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._over = self._over or ConnectionLost("we left")

    async def receive(self, at_once=None):
        while not self._waiting and not self._life and not self._woken:
            if self._over is not None:
                raise self._over
            self._news.clear()
            await self._news.wait()
        frames, self._waiting, self._life, self._woken = self._waiting, [], False, False
        return frames

    async def send(self, frame):
        said = msgspec.json.decode(frame)
        if said["on"]:
            self._arrive(b'{"ack":%d}' % said["id"], RTT_S)
            self._at(math.ceil(self._loop.time() + RTT_S / 2), self._tick)

    async def ping(self):
        self._arrive(None, RTT_S)

    def wake(self):
        self._woken = True
        self._news.set()

    def _tick(self):
        now = self._loop.time()
        self._at(now + 1.0, self._tick)
        frame = b'{"i":%d}' % round(now)
        for bout in self._struck("errors"):
            share = min(0.9, (now - self.born - bout.at_s) / bout.lasts_s) if bout.kind == "errors, cut" else 0.05
            if self._noise.random() < share:
                self._arrive(b"{", RTT_S / 2)
        self._arrive(frame, RTT_S / 2)

    def _struck(self, kind):
        age_s = self._loop.time() - self.born
        return [
            bout for bout in self._bouts
            if bout.kind.startswith(kind) and bout.at_s <= age_s < bout.at_s + bout.lasts_s
        ]  # fmt: skip

    def _arrive(self, frame, after_s):
        """Bring this, once the weather lets it through, after what was sent before."""
        now = self._loop.time()
        at = now + after_s + self._noise.expovariate(1 / 0.01)
        age_s = now - self.born
        if any(bout.kind == "half-open" and age_s >= bout.at_s for bout in self._bouts):
            self._seen.add((self, "half-open"))
            return
        for bout in self._struck("worse"):
            share = (age_s - bout.at_s) / bout.lasts_s
            at += bout.depth * (share if bout.kind == "worse, cut" else min(share, 1 - share))
        for bout in self._struck("stall"):
            at = max(at, self.born + bout.at_s + bout.lasts_s)
        self._last_at = at = max(at, self._last_at)
        self._at(at, lambda: self._take(frame))

    def _take(self, frame):
        if frame is None:
            self._life = True
        else:
            self._waiting.append(frame)
        self._news.set()

    def _end(self, kind):
        self._seen.add((self, kind))
        self._over = ConnectionLost(kind)
        self._news.set()

    def _at(self, when, what):
        def fire():
            self._timers.discard(timer)
            if self._over is None:
                what()

        timer = self._loop.call_at(when, fire)
        self._timers.add(timer)


def decoder(_venue, _instruments):
    decode = msgspec.json.Decoder().decode
    one = Decimal(1)

    def read(frame, received_ns):
        try:
            said = decode(frame)
        except msgspec.DecodeError as error:
            raise BadData(str(error), kind="bad_json") from error
        if "ack" in said:
            return [Ack(said["ack"], None)]
        number = said["i"]
        return [Trade(NAME, "trades", number * 10**9, received_ns, "ws", str(number), number, "buy", one, one)]

    return read


TOY = Venue(
    name="toy", urls={"public": "wss://toy"},
    feeds={"trades": Feed(channel="trades", wire_name="t", endpoint="public", continuity="seq")},
    heartbeat=Heartbeat(every_s=20.0, silence_s=60.0),
    limits=Limits(topics_per_connection=9, topics_per_request=9, messages_per_s=5, connections_per_window=300,
                  window_s=300),
    decoder=decoder, rest={},
    requests=lambda asked: [msgspec.json.encode({"on": asked.on, "id": asked.request_id})],
)  # fmt: skip
A = Instrument(venue="toy", symbol="A/X", native="A", kind="spot", base="A", quote="X")


class Watch:
    """The sink: what came, once, and what was told."""

    recording = blocked = False

    def __init__(self):
        self.merge = Merge()
        self.track = self.merge.declare(NAME, "trades", TOY.feeds["trades"])
        self.came = set()
        self.twice = self.downs = self.late = 0
        self.reasons = []

    def offer(self, events, stamps, shard, now):
        self._keep(self.merge.offer(events, now))
        self._keep(self.merge.release(now))

    def _keep(self, events):
        for event in events:
            if not isinstance(event, Gap):
                self.twice += event.seq in self.came
                self.came.add(event.seq)
                self.late += asyncio.get_running_loop().time() - event.seq > LATE_S

    def down(self, topics, cause):
        self._keep(self.merge.down(NAME, "trades", cause, asyncio.get_running_loop().time()))

    def overlap(self, topics, *, on):
        self.track.overlap(on=on)

    def link(self, link):
        self.downs += link.change == "down"
        if link.state == "draining":
            self.reasons.append(link.reason)

    def count(self, topic):
        return self.track.count

    async def probe(self, topic):
        return False

    async def room(self):
        return

    def __getattr__(self, name):
        return lambda *args, **more: None


async def spell(seed, rule, ages, days):
    """One connection kept for so long under a rule."""
    clock, chance = VirtualClock(0), random.Random(seed)
    watch, seen, met, dials = Watch(), set(), Counter(), 0

    @asynccontextmanager
    async def dial(_url):
        nonlocal dials
        dials += 1
        bouts = drawn(random.Random(f"{seed} {dials}"), 86_400.0, ages)
        await asyncio.sleep(DIAL_S)
        wire = Wire(bouts, seen, met)
        try:
            yield wire
        finally:
            wire.close()

    shard = Shard("toy", "public", 1)
    shard.topics = {TOPIC}
    timing = replace(Timing(), **rule.get("timing", {}))
    feed = KeepFed(
        TOY, shard, url="wss://toy", instruments={"A": A}, timing=timing, patience=Patience(), dial=dial, sink=watch,
        clock=clock, delays=lambda: backoff(1.0, 60.0, chance.random), breaker=Breaker(10, 30.0),
        gate=TokenBucket(1.0, 100.0, 0.0), score=rule.get("score", False),
    )  # fmt: skip
    async with asyncio.TaskGroup() as tasks:
        feeding = tasks.create_task(keep_fed(feed, restarted=lambda bug: print(repr(bug)), delays=lambda: iter([1.0])))
        await asyncio.sleep(days * 86_400.0)
        feeding.cancel()
    first, last = min(watch.came), max(watch.came)
    ended = Counter(kind for _, kind in seen)
    missing = sorted(set(range(first, last)) - watch.came)
    return {
        "gap_s": len(missing), "late_s": watch.late, "outages": watch.downs, "dials": dials, "twice": watch.twice,
        "ended": ended, "met": met, "why": Counter(plain(reason) for reason in watch.reasons),
    }  # fmt: skip


def plain(reason):
    """Why a successor was wanted, without its figures."""
    words = ("unanswered", "pings take", "cannot be read", "ended at an age", "age limit")
    return next(word for word in words if word in reason)


RULES = {
    "none": {},
    "fixed age 4 h": {"timing": {"max_age_s": 4 * 3600.0}},
    "silence 15 s": {"timing": {"silence_s": 15.0}},
    "score": {"score": True},
}


def measured(rule, seeds, days, *, ages=False):
    """A rule over some seeds: figures a day, and how often a connection ended of itself."""
    weeks = [run(spell(seed, rule, ages, days)) for seed in range(seeds)]
    total, ended = seeds * days, sum((each["ended"] for each in weeks), Counter())
    dials = sum(each["dials"] for each in weeks)
    assert not any(each["twice"] for each in weeks), "each trade passes once"
    return {
        "gap_s": sum(each["gap_s"] for each in weeks) / total,
        "late_s": sum(each["late_s"] for each in weeks) / total,
        "outages": sum(each["outages"] for each in weeks) / total,
        "dials": dials / total,
        "extra": (dials - sum(ended.values()) - seeds) / total,
        "met": sum((each["met"] for each in weeks), Counter()).total() / total,
        "why": sum((each["why"] for each in weeks), Counter()),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--days", type=float, default=2.0)
    parser.add_argument("--each", action="store_true", help="each kind alone, once an hour, and what one of it costs")
    options = parser.parse_args()
    if not options.each:
        columns = ("gap_s", "late_s", "outages", "dials", "extra")
        print(f"{'a day':16} {' '.join(f'{name:>8}' for name in columns)}")
        for name, rule in RULES.items():
            found = measured(rule, options.seeds, options.days)
            figures = " ".join(f"{found[each]:8.1f}" for each in columns)
            print(f"{name:16} {figures}   {dict(found['why'].most_common(5))}", flush=True)
        return
    kinds = dict(WEATHER)
    print(f"{'weather':14} {'rule':16} {'gap s':>8} {'late s':>8} {'dials':>8}   for one of it")
    for kind in [*kinds, f"ended at {AGE_S / 3600:g} h"]:
        WEATHER.clear()
        if kind in kinds:
            WEATHER[kind] = (24.0, kinds[kind][1])
        for name, rule in RULES.items():
            days = options.days if kind in kinds else 3 * options.days
            found = measured(rule, options.seeds, days, ages=kind not in kinds)
            met = found["met"] if kind in kinds else 86_400 / AGE_S  # who leaves before does not meet its end
            per_one = " ".join(f"{found[name] / met:8.2f}" for name in ("gap_s", "late_s", "dials"))
            print(f"{kind:14} {name:16} {per_one}", flush=True)


if __name__ == "__main__":
    main()
