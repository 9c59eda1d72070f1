"""What a fault makes of frames, whatever batches they come in."""

import pytest

from tapeline.model.topic import Topic
from tapeline.sim.faults import fault
from tapeline.sim.mischief import Mischief, corrupt, not_utf8, torn
from tapeline.sim.source import Moment

A, B = Topic("trades", "A"), Topic("book:5@100ms", "B")


def moments(*which: tuple[int, Topic]) -> list[Moment]:
    return [(at, topic, b'{"n":%d}' % at) for at, topic in which]


def made(spec: str, *batches: list[Moment]) -> list[int]:
    mischief = Mischief(fault(spec))  # type: ignore[arg-type]  # a fault, no chance
    result = [moment for batch in batches for moment in mischief.apply(batch)]
    return [moment[0] for moment in [*result, *mischief.flush()]]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("drop@+0s", [2, 3, 4, 5, 6]),
        ("drop@+0s+9s", []),
        ("drop@+0s+9s:book", [1, 2, 4, 5]),
        ("drop@+0s:book:5@100ms", [1, 2, 4, 5, 6]),
        ("duplicate@+0s", [1, 1, 2, 3, 4, 5, 6]),
        ("duplicate@+0s+9s:trades", [1, 1, 2, 2, 3, 4, 4, 5, 5, 6]),
        ("reorder@+0s", [2, 1, 3, 4, 5, 6]),
        ("reorder@+0s+9s", [2, 1, 5, 4, 6, 3]),
        ("reorder@+0s+9s:book", [1, 2, 4, 5, 6, 3]),
        ("oversize@+0s:50", [1, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_it_does_not_matter_how_frames_are_batched(spec: str, expected: list[int]) -> None:
    frames = moments((1, A), (2, A), (3, B), (4, A), (5, A), (6, B))
    assert made(spec, frames) == expected
    assert made(spec, *[[frame] for frame in frames]) == expected
    assert made(spec, frames[:3], [], frames[3:]) == expected


def test_a_pair_that_never_comes_is_given_back() -> None:
    assert made("reorder@+0s", moments((1, A), (2, B), (3, B))) == [2, 3, 1]


def test_frames_that_mean_nothing() -> None:
    assert corrupt(b'{"a":1}') == b'{"a":\x01}'
    assert torn(b"123456") == b"123"
    with pytest.raises(UnicodeDecodeError):
        not_utf8(b"abc").decode()
    (big, _) = Mischief(fault("oversize@+0s:50")).apply(moments((1, A)))  # type: ignore[arg-type]
    assert len(big[2]) == 50
