"""The grammar of faults, their schedule, and chance by seed."""

from itertools import islice, pairwise

import pytest

from tapeline.errors import ConfigError
from tapeline.sim.faults import KINDS, NEVER_BY_CHANCE, Chance, Fault, Schedule, fault

AT = 1_723_161_390_000_000_000  # 2024-08-08T23:56:30Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cut@2024-08-08T23:56:30Z+20s", Fault("cut", AT, 20_000_000_000)),
        ("cut@2024-08-08T23:56:30Z", Fault("cut", AT)),
        ("close@2024-08-08T23:56:30.5Z+1m:1012", Fault("close", AT + 500_000_000, 60_000_000_000, "1012")),
        (f"close@{AT}:1001", Fault("close", AT, 0, "1001")),
        ("refuse@+30s:3", Fault("refuse", 30_000_000_000, 0, "3", relative=True)),
        ("mute@+1.5m", Fault("mute", 90_000_000_000, 30_000_000_000, relative=True)),
        ("mute@+1h+250ms", Fault("mute", 3_600_000_000_000, 250_000_000, relative=True)),
        ("429@+0s+5s:7", Fault("429", 0, 5_000_000_000, "7", relative=True)),
        ("duplicate@+1s+2s:book", Fault("duplicate", 1_000_000_000, 2_000_000_000, "book", relative=True)),
        ("cut@+1s+2s/1", Fault("cut", 10**9, 2 * 10**9, "", relative=True, whose="1")),
        ("drop@+1s:bars:1m/book@100ms", Fault("drop", 10**9, 0, "bars:1m", relative=True, whose="book@100ms")),
        ("random:7", Chance(7)),
        ("random:7:120", Chance(7, 120.0)),
    ],
)
def test_what_a_fault_says(text: str, expected: Fault | Chance) -> None:
    assert fault(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cutt@+1s", "unknown fault 'cutt' in 'cutt@+1s': did you mean 'cut'?"),
        ("zzz@+1s", "one of cut, half, close"),
        ("cut", "cannot be read: write KIND@WHEN"),
        ("cut@noon", "cannot be read"),
        ("cut@2024-13-08T23:56:30Z", "is not a time"),
        ("cut@+1s:x", "cut takes no parameter"),
        ("429@+1s/1", "429 strikes no connection, so /1 says nothing"),
        ("close@+1s:99", "the parameter of close is a number (code, 1000 to 4999)"),
        ("slow@+1s:soon", "is a number (seconds, 0 to 1e+06)"),
        ("random:x", "random:SEED[:PER_HOUR]"),
        ("random:1:0", "random:SEED[:PER_HOUR]"),
    ],
)
def test_a_fault_that_cannot_be_meant(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        fault(text)
    assert says in str(error.value)


def test_every_kind_can_be_written() -> None:
    for kind, about in KINDS.items():
        one = fault(f"{kind}@+1s")
        assert isinstance(one, Fault)
        assert one.duration_ns == int(about.duration_s * 1e9)
        assert about.about


def test_the_schedule_tells_beginnings_and_ends_in_order() -> None:
    schedule = Schedule([fault("mute@+5s+5s"), fault("cut@+5s+20s"), fault("refuse@+1s:2"), fault("drop@+2s+8s")], 1000)
    told = []
    while (next_ns := schedule.next_ns()) is not None:
        link = schedule.link_begins_next()
        edge = schedule.pop()
        assert edge.at_ns == next_ns
        told.append((edge.fault.kind, edge.begins, (edge.at_ns - 1000) // 10**9, link))
    assert told == [
        ("refuse", True, 1, False),
        ("drop", True, 2, False),
        ("mute", True, 5, False),
        ("cut", True, 5, True),
        ("mute", False, 10, False),
        ("drop", False, 10, False),
    ]


def test_chance_is_the_same_for_one_seed() -> None:
    first, again, other = (list(islice(Chance(seed, 600).draw(1000), 50)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert {one.kind for one in islice(Chance(1).draw(0), 500)} == set(KINDS) - NEVER_BY_CHANCE
    assert all(a.at_ns < b.at_ns for a, b in pairwise(first))
    schedule = Schedule([Chance(1, 600)], 1000)
    begun: list[Fault] = []
    while len(begun) < 50:
        edge = schedule.pop()
        if edge.begins:
            begun.append(edge.fault)
    assert begun == first
