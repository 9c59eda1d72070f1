"""What of a newer list of instruments is taken over, and which list is not believed."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.model.instrument import Instrument
from tapeline.trading.terms import IDENTITY, TERMS, Change, differences, lacking, relisted

D = Decimal
BTC = Instrument(
    venue="v", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT", tick=D("0.01"),
    lot=D("0.0001"), min_notional=D(5), valid_from_ns=7,
)  # fmt: skip


def spots(count: int, kind: str = "spot", **changes: Any) -> list[Instrument]:
    of = "USDT" if kind == "spot" else f"USDT:{kind}"
    return [replace(BTC, symbol=f"C{at}/{of}", native=f"{kind}{at}", kind=kind, **changes) for at in range(count)]


def by_id(some: list[Instrument]) -> dict[str, Instrument]:
    return {each.id: each for each in some}


def test_every_field_of_an_instrument_is_of_its_terms_or_of_what_it_is() -> None:
    own = {"venue", "symbol", "valid_from_ns"}  # its name, by which it is found, and what the store says of it
    assert {*TERMS, *IDENTITY, *own} == set(Instrument.__struct_fields__)
    assert not set(TERMS) & set(IDENTITY)


def test_new_terms_are_taken_over_and_said() -> None:
    listed = replace(BTC, tick=D("0.1"), min_notional=None, status="halted", valid_from_ns=0)
    change = relisted(BTC, listed)
    assert change == Change(replace(listed, valid_from_ns=7))
    said = "status trading -> halted, tick 0.01 -> 0.1, min_notional 5 -> none"
    assert differences(BTC, listed) == said
    assert relisted(BTC, replace(BTC, valid_from_ns=0)) is None, "nothing is new"
    assert relisted(BTC, replace(BTC, tick=D("0.010"))) is None, "the same number"


def test_what_is_gone_is_delisted_once_and_may_come_back() -> None:
    change = relisted(BTC, None)
    assert change == Change(replace(BTC, status="delisted"), "the venue's list has it no more")
    assert relisted(change.instrument, None) is None
    assert relisted(change.instrument, BTC) == Change(BTC)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"contract_size": D(10), "tick": D(1)}, "contract_size 1 -> 10"),
        ({"native": "XBTUSDT"}, "native BTCUSDT -> XBTUSDT"),
        ({"settle": "USDC", "inverse": True}, "settle  -> USDC, inverse False -> True"),
    ],
)  # fmt: skip
def test_another_thing_under_the_same_name_is_not_traded_by_this_run(changes: dict[str, Any], said: str) -> None:
    change = relisted(BTC, replace(BTC, **changes))
    assert change is not None
    assert change.instrument == replace(BTC, status="delisted"), "nothing of it is taken over"
    assert change.why == f"the venue's list has something else under its name ({said}): a new run takes that"
    assert relisted(change.instrument, replace(BTC, **changes)) is None, "it is said once"


def test_a_list_that_has_nothing_or_lacks_much_is_not_believed() -> None:
    known = [*spots(100), *spots(4, "perpetual")]
    listed = by_id(known)
    assert lacking(known, {}, 0) == "the list is empty"
    assert lacking(known, listed, 0) == ""
    assert lacking(known, by_id([*spots(100)[10:], *known[100:]]), 0) == "", "a tenth may go at once"
    said = lacking(known, by_id([*spots(100)[11:], *known[100:]]), 0)
    assert said == (
        "the list lacks 11 of 100 that were listed as spot: C0/USDT, C1/USDT, C2/USDT, C3/USDT, C4/USDT and others"
    )
    assert lacking(known, by_id(spots(100)), 0).startswith("the list lacks 4 of 4 that were listed as perpetual: C0")
    assert lacking(known[-4:], by_id(known[-1:]), 0) == "", "of few, a few may go"
    assert lacking([BTC], by_id(spots(1)), 0) == "the list lacks 1 of 1 that were listed as spot: BTC/USDT"
    assert lacking([], listed, 0) == "", "nothing was known"


def test_what_has_expired_or_was_delisted_before_is_not_missed() -> None:
    futures = spots(6, "future", expiry_ns=100)
    assert lacking([BTC, *futures], {BTC.id: BTC}, 100) == ""
    assert lacking([BTC, *futures], {BTC.id: BTC}, 99).startswith("the list lacks 6 of 6")
    assert lacking([BTC, *spots(6, "future", status="delisted")], {BTC.id: BTC}, 0) == ""
