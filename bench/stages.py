"""Where the time of a message goes, stage by stage, in one process: nanoseconds of CPU each, median of rounds.

The stages are the product's own parts, called as a lane calls them; sockets and the loop are not in it.
"""

import argparse
import gc
import json
import os
import statistics
import sys
import time

from source import Load, arguments

from tapeline.market.bus import Bus
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues import venue_named
from tapeline.wire.lane import TOGETHER
from tapeline.wire.merge import Merge
from tapeline.wire.session import Session, Timing

NOW_NS = 1_700_000_000_000_000_000


def frames_of(mix, count):
    sys.argv[1:] = ["--mix", mix, "--count", str(count)]
    load = Load(arguments())
    block, at, out = bytes(load.block), 0, []
    for end in load.ends:
        out.append(block[at + (2 if block[at + 1] < 126 else 4) : end])
        at = end
    return out, load.markets


def per_frame(step, frames):
    """Nanoseconds a frame, taken in the batches a lane takes; without the collector, which has nothing to do."""
    gc.collect()
    gc.disable()
    before = time.process_time_ns()
    for start in range(0, len(frames), TOGETHER):
        step(frames[start : start + TOGETHER])
    took = time.process_time_ns() - before
    gc.enable()
    return took / len(frames)


def received(session, frames):
    events = []
    session.received(frames, 0.0, NOW_NS, events)
    return events


def parts(markets):
    venue = venue_named("binance")
    listed = {
        each.name: Instrument(venue="binance", symbol=f"{each.base}/USDT", native=each.name, kind="spot",
                              base=each.base, quote="USDT")
        for each in markets
    }  # fmt: skip
    channels = ("aggtrades", "book", "bars:1m")
    topics = [Topic(channel, native) for native in listed for channel in channels]
    merge, bus = Merge(), Bus(failed=lambda *_: None, now=time.monotonic)
    for native, instrument in listed.items():
        for channel in channels:
            merge.declare(instrument.id, channel, venue.feeds[channel.partition(":")[0]])
        bus.subscribe(lambda _event: None, channel="aggtrades", instrument=instrument.id, name=native)
        bus.subscribe(lambda _event: None, channel="book", instrument=instrument.id, name=native)
        bus.subscribe(lambda _event: None, channel="bars:1m", instrument=instrument.id, name=native)
    session = Session(venue, listed, topics, timing=Timing(), now=0.0, problem=lambda *_: None)
    for second in range(100):  # all is asked for, so that the first event of each topic makes it live
        session.outgoing(float(second))
    return venue.decoder("binance", listed), session, merge, bus


def round_of(frames, markets):
    """Each step does what the one before does and one thing more; fresh parts for each, as sequences go on."""
    out = {}
    decode, *_ = parts(markets)
    out["decode"] = per_frame(lambda frames: [decode(frame, NOW_NS) for frame in frames], frames)
    _, session, *_ = parts(markets)
    out["session"] = per_frame(lambda frames: received(session, frames), frames)
    _, session, merge, _ = parts(markets)
    out["merge"] = per_frame(lambda frames: merge.offer(received(session, frames), 0.0), frames)
    _, session, merge, bus = parts(markets)
    out["bus"] = per_frame(lambda frames: merge.pass_on(received(session, frames), 0.0, bus), frames)
    assert merge.statistics().events == len(frames), "everything passes"
    return out


def main():
    os.sched_setaffinity(0, {0})
    parser = argparse.ArgumentParser()
    parser.add_argument("mix", nargs="?", default="trades")
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    frames, markets = frames_of(options.mix, options.count)
    rounds = [round_of(frames, markets) for _ in range(options.rounds)]
    sums = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    names = list(sums)
    print(
        json.dumps(
            {
                name: round(sums[name] - (sums[before] if before else 0))
                for before, name in zip(["", *names], names, strict=False)
            }
            | {"sum": round(sums[names[-1]])}
        )
    )


main()
