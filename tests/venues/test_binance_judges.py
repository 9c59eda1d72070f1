import pytest

from tapeline.model.event import BookDelta
from tapeline.model.verdict import Verdict
from tapeline.venues.binance import spot, usdm
from tapeline.venues.spec import Judge

APPLY, STALE, GAP = Verdict.APPLY, Verdict.STALE, Verdict.GAP


def delta(first: int | None, last: int | None, before: int | None = None) -> BookDelta:
    return BookDelta("v:X", "book", None, 0, "ws", [], [], first, last, before)


def test_spot_by_the_venues_worked_example() -> None:
    at = 499869752  # the snapshot's id
    assert spot.judge(at, delta(499869750, 499869752)) is STALE
    assert spot.judge(at, delta(499869753, 499869754)) is APPLY
    assert spot.judge(499869754, delta(499869755, 499869757)) is APPLY
    assert spot.judge(499869754, delta(499869756, 499869757)) is GAP
    assert spot.judge(at, delta(499869750, 499869753)) is APPLY  # the first may begin before the snapshot


def test_usdm_by_the_venues_worked_example() -> None:
    at = 600859605926  # SUSHIUSDT's snapshot
    assert usdm.judge(at, delta(600859599090, 600859600917, 600859598061)) is STALE
    assert usdm.judge(at, delta(600859603343, 600859604824, 600859602861)) is STALE
    assert usdm.judge(at, delta(600859605926, 600859607423, 600859604824)) is APPLY
    assert usdm.judge(600859607423, delta(600859607950, 600859609417, 600859607423)) is APPLY
    # KEEPUSDT: the first event ends exactly at the snapshot, the next names it as the one before.
    assert usdm.judge(600859619434, delta(600859618057, 600859619434, 600859618000)) is STALE
    assert usdm.judge(600859619434, delta(600859619500, 600859619900, 600859619434)) is APPLY


def test_usdm_ids_jump_so_only_the_one_before_proves_continuity() -> None:
    assert usdm.judge(100, delta(101, 160, 100)) is APPLY
    assert usdm.judge(100, delta(101, 160, 99)) is GAP
    assert usdm.judge(100, delta(150, 160, 140)) is GAP
    assert usdm.judge(100, delta(150, 160)) is GAP


@pytest.mark.parametrize("judge", [spot.judge, usdm.judge])
def test_the_first_delta_starts_and_one_without_numbers_cannot_be_judged(judge: Judge) -> None:
    assert judge(None, delta(5, 9, 4)) is APPLY
    assert judge(7, delta(None, 9)) is APPLY
    assert judge(7, delta(5, None)) is APPLY
