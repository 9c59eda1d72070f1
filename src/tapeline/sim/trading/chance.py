"""What befalls a trading day, from its venue and seed: faults of orders, streams and REST, others, lives, clocks."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tapeline.model.interval import SECOND_NS
from tapeline.sim.faults import Fault
from tapeline.sim.kept.chance import Life

WARM_S, CALM_S = 20.0, 400.0  # it begins and ends calm: in the end everything has to come right
FAULTS = 10
ENDS = ("stop", "halt", "flatten")
YOUNG_S = (60.0, 500.0)
KEYS = ("key_closed", "key_silent")  # of the account's listen key; faults of ours, not of the tape

# Kind -> longest time; those of 0 s strike once.
KINDS: dict[str, float] = {
    "order_timeout": 40.0, "order_lost": 40.0, "order_502": 40.0, "order_503": 40.0, "order_slow": 0.0,
    "fill_twice": 200.0, "told_shuffled": 200.0, "told_lost": 30.0, "cut": 60.0, "close": 60.0, "refuse": 90.0,
    "mute": 90.0, "slow": 20.0, "429": 30.0, "ban": 30.0, "key_closed": 0.0, "key_silent": 0.0,
    "order_429": 20.0, "down": 60.0,
}  # fmt: skip

# What others do: kind -> on which share of the days, and at most how many times.
HAPPENINGS: dict[str, tuple[float, int]] = {
    "person": (0.4, 12), "transfer": (0.3, 3), "halted": (0.2, 2), "forbidden": (0.2, 1), "ended": (0.3, 3),
    "squeeze": (0.25, 2),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawn:
    """Faults for the venue's player, and when listen keys end: (second, whether silently)."""

    faults: Sequence[Fault]
    keys: Sequence[tuple[float, bool]]


def drawn_life_s(key: str) -> float:
    """How old the account's connections may become at the venue: on half of the days, young enough to be renewed."""
    chance = random.Random(f"trading renewals {key}")
    return chance.uniform(*YOUNG_S) if chance.random() < 0.5 else float("inf")


def drawn_troubles(key: str, duration_s: float, kinds: Sequence[str]) -> Drawn:
    """Faults of these kinds, in time, often close to each other."""
    chance = random.Random(f"trading faults {key}")
    at_s, last_s = 0.0, duration_s - CALM_S
    faults, keys = list[Fault](), list[tuple[float, bool]]()
    for _ in range(FAULTS if kinds else 0):
        near = (faults or keys) and chance.random() < 0.5
        at_s = min(last_s, at_s + chance.uniform(0, 40)) if near else chance.uniform(WARM_S, last_s)
        kind = chance.choice(kinds)
        if kind in KEYS:
            keys.append((at_s, kind == "key_silent"))
            continue
        longest_s = KINDS[kind]
        lasts_s = 0.0 if chance.random() < 0.4 else chance.uniform(0, longest_s)
        if kind in {"mute", "slow"}:
            lasts_s = max(lasts_s, 5.0)  # they know no other end
        param, whose = "", ""
        if kind in {"cut", "close", "mute"}:
            whose = chance.choice(("all", "1", "2"))
        if kind == "order_slow":
            param = f"{chance.choice((0.5, 4.0, 8.0)):g}"
        if kind in {"429", "ban"}:
            param = f"{chance.choice((1, 5, 30))}"
        if kind == "refuse" and not lasts_s:
            param = f"{chance.randint(1, 4)}"
        if kind == "down":  # nothing answers, and nobody is let in
            lasts_s = max(lasts_s, 5.0)
            faults.append(_fault("close", at_s, lasts_s, whose="all"))
        if kind == "order_429":
            param = f"{chance.choice((1, 5, 30))}"
        faults.append(_fault(kind, at_s, lasts_s, param, whose))
    return Drawn(sorted(faults, key=lambda fault: fault.at_ns), sorted(keys))


@dataclass(frozen=True, slots=True)
class Happening:
    """What others do to the account: when, what, and what its details are drawn from."""

    at_s: float
    kind: str
    seed: str = ""


def drawn_happenings(key: str, duration_s: float, kinds: Sequence[str]) -> list[Happening]:
    """What others do, in time; see HAPPENINGS."""
    chance = random.Random(f"trading happenings {key}")
    found = list[Happening]()
    for kind, (share, most) in HAPPENINGS.items():
        today, times = chance.random() < share, chance.randint(1, most)
        moments = [chance.uniform(WARM_S, duration_s - CALM_S) for _ in range(times)]
        if today and kind in kinds:
            found += [Happening(at_s, kind, f"{key} {kind} {number}") for number, at_s in enumerate(moments)]
    return sorted(found, key=lambda each: each.at_s)


def drawn_trading_lives(key: str, duration_s: float) -> Sequence[Life]:
    """Up to four restarts, stopped or killed; the last life lasts to the end."""
    chance = random.Random(f"trading lives {key}")
    lives, from_s, last_s = list[Life](), 0.0, duration_s - CALM_S
    for _ in range(chance.choice((0, 1, 1, 2, 3, 4))):
        short = from_s > 0 and chance.random() < 0.3
        end_s = from_s + chance.uniform(0, 30) if short else chance.uniform(from_s, last_s)
        lives.append(Life(from_s, min(end_s, last_s), chance.random() < 0.7))
        from_s = lives[-1].to_s + chance.choice((0.0, chance.uniform(0, 30), chance.uniform(0, 200)))
        if from_s >= last_s - WARM_S:
            break
    return [*lives, Life(from_s, duration_s)]


def drawn_clock_steps(key: str, duration_s: float) -> Sequence[tuple[float, float]]:
    """When somebody sets our clock, and by how much: on one day of three."""
    chance = random.Random(f"trading clock {key}")
    if chance.random() > 0.33:
        return ()
    return [(chance.uniform(WARM_S, duration_s - CALM_S), chance.choice((-3600.0, -2.0, 2.0, 3600.0)))]


def _fault(kind: str, at_s: float, lasts_s: float, param: str = "", whose: str = "") -> Fault:
    return Fault(kind, int(at_s * SECOND_NS), int(lasts_s * SECOND_NS), param, relative=True, whose=whose)
