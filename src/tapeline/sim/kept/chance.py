"""What befalls a day, from its venue and seed: faults, lives and deaths, a stuck disk, a clock that is set."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tapeline.model.interval import SECOND_NS
from tapeline.sim.faults import ANSWER, DIAL, FRAME, KINDS, LINK, OF_CONNECTIONS, PACE, QUIET, REQUEST, REST, Fault

WARM_S, CALM_S = 1800.0, 14_400.0  # a day begins and ends calm: in the end everything has to come right
FAULTS = 14
ANEW_DAYS = 0.25  # the part of days on which a venue numbers its trades anew
MEANT = frozenset({LINK, DIAL, REQUEST, FRAME, QUIET, PACE, REST, ANSWER})  # what befalls market data
LONGEST_S = {LINK: 3600.0, QUIET: 1800.0, PACE: 30.0, DIAL: 1800.0, REST: 900.0, ANSWER: 3600.0}
WHOSE = ("all", "1", "2", "trades", "bars", "all")


@dataclass(frozen=True, slots=True)
class Life:
    """One run of an instance, in seconds since the day began; `crash`: it is killed, and not stopped."""

    from_s: float
    to_s: float
    crash: bool = False


def drawn_faults(key: str, duration_s: float, trades: str) -> list[Fault]:
    """Faults of every kind, in time, often close to each other; the market goes on while connections are cut."""
    chance = random.Random(f"faults {key}")
    kinds = [kind for kind in sorted(KINDS) if KINDS[kind].where in MEANT]
    if chance.random() < ANEW_DAYS:
        kinds += ["anew"] * 4
    at_s, last_s, faults = 0.0, duration_s - CALM_S, list[Fault]()
    for _ in range(FAULTS):
        near = faults and chance.random() < 0.5
        at_s = min(last_s, at_s + chance.uniform(0, 300)) if near else chance.uniform(WARM_S, last_s)
        kind = chance.choice(kinds)
        where = KINDS[kind].where
        longest_s = LONGEST_S.get(where, 600.0)
        lasts_s = 0.0 if chance.random() < 0.3 else chance.uniform(0, chance.choice((30.0, longest_s, longest_s)))
        if where in {QUIET, PACE} or kind == "closing":
            lasts_s = max(lasts_s, 10.0)  # they know no other end
        if kind in {"revise", "oversize", "anew"}:
            lasts_s = 0.0
        param = {
            "oversize": "100000", "refuse": str(chance.randint(1, 5)), "ban": str(chance.choice((30, 120, 600))),
            "anew": str(chance.choice((5, 200, 100_000))),
        }.get(kind, "")  # fmt: skip
        if where == ANSWER and kind not in {"revise", "open_bar"}:
            param = chance.choice(("", "", trades, "bars"))
        whose = chance.choice(WHOSE) if where in OF_CONNECTIONS else ""
        whose = trades if whose == "trades" else whose
        faults.append(
            Fault(
                kind, int(at_s * SECOND_NS), int(lasts_s * SECOND_NS), param, relative=True,
                whose="" if where != LINK and chance.random() < 0.5 else whose,
            )
        )  # fmt: skip
    return sorted(faults, key=lambda fault: fault.at_ns)


def drawn_lives(key: str, duration_s: float) -> Sequence[Life]:
    """Up to five restarts: stopped or killed, some soon after they began, back at once or after an hour.

    The last life lasts to the end.
    """
    chance = random.Random(f"lives {key}")
    lives, from_s, last_s = list[Life](), 0.0, duration_s - CALM_S
    for _ in range(chance.choice((0, 1, 1, 2, 3, 5))):
        short = from_s > 0 and chance.random() < 0.4
        end_s = from_s + chance.uniform(0, 300) if short else chance.uniform(max(from_s, WARM_S / 2), last_s)
        lives.append(Life(from_s, min(end_s, last_s), chance.random() < 0.5))
        from_s = lives[-1].to_s + chance.choice((0.0, chance.uniform(0, 60), chance.uniform(0, 3600)))
        if from_s >= last_s - WARM_S:
            break
    return [*lives, Life(from_s, duration_s)]


def drawn_stalls(key: str, duration_s: float) -> Sequence[tuple[float, float]]:
    """When the disk is stuck, and for how long: on one day of four."""
    chance = random.Random(f"disk {key}")
    if chance.random() > 0.25:
        return ()
    return [(chance.uniform(WARM_S, duration_s - CALM_S), chance.choice((60.0, 3600.0)))]


def drawn_steps(key: str, duration_s: float) -> Sequence[tuple[float, float]]:
    """When somebody sets our clock, and by how much: on one day of four, an hour at most."""
    chance = random.Random(f"clock {key}")
    if chance.random() > 0.25:
        return ()
    return [(chance.uniform(WARM_S, duration_s - CALM_S), chance.choice((-3600.0, -1.0, 3600.0)))]
