from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tapeline.model.limits import TIGHTER, RiskLimits, looser, tightest
from tapeline.trading.risk.limits import Changed, Reins, Tables, changes, newly, tightened

D = Decimal
GRID = RiskLimits(max_position=D(3))


def test_which_limits_hold_for_an_order() -> None:
    every, venue = RiskLimits(max_order_value=D(5)), RiskLimits(max_gross=D(9))
    tables = Tables(every=every, strategy={"grid": GRID}, venue={"pit": venue}, instrument={"pit:ETH/USDT": GRID})
    assert tables.rules("main", "grid", "pit:BTC/USDT") == [("account", every), ("strategy", GRID), ("venue", venue)]
    assert tables.rules("main", "", "moon:ETH/USDT") == [("account", every)]
    assert tables.rules("main", "", "pit:ETH/USDT")[1] == ("instrument", GRID)
    assert Tables(account={"main": RiskLimits()}).rules("main", "", "pit:BTC/USDT") == []


def test_looser_and_tighter() -> None:
    assert looser("max_position", D(1), D(2))
    assert not looser("max_position", D(2), D(1))
    assert looser("max_position", D(1), None)
    assert not looser("max_position", None, D(1))
    assert looser("wait_after_repair_s", 5.0, 1.0)
    assert not looser("wait_after_repair_s", 1.0, 5.0)
    assert looser("require_synchronised", True, False)
    assert looser("refuse_self_trade", True, None)
    assert set(TIGHTER) == set(RiskLimits.__struct_fields__)


def test_tighter_holds_at_once_and_looser_waits_for_a_person() -> None:
    reins = Reins(Tables(every=RiskLimits(max_position=D(10), max_gross=D(100)), strategy={"grid": GRID}))
    asked = Tables(every=RiskLimits(max_position=D(5), max_gross=D(200), duplicate_s=1.0), account={"main": GRID})
    waiting = reins.change(asked)
    assert waiting == [
        Changed("risk.max_gross", "100", "200", looser=True),
        Changed("risk.strategy.grid.max_position", "3", "", looser=True),
    ]
    assert [str(each) for each in waiting] == [
        "risk.max_gross: 100 -> 200", "risk.strategy.grid.max_position: 3 -> no limit"
    ]  # fmt: skip
    assert reins.now.every == RiskLimits(max_position=D(5), max_gross=D(100), duplicate_s=1.0)
    assert reins.now.strategy == {"grid": GRID}
    assert reins.now.account == {"main": GRID}
    assert reins.confirm() == waiting
    assert reins.now == asked
    assert reins.confirm() == []


def test_what_is_tightened_before_it_was_confirmed_stays_tight() -> None:
    reins = Reins(Tables(every=RiskLimits(max_position=D(10))))
    reins.change(Tables(every=RiskLimits(max_position=D(20))))
    assert reins.change(Tables(every=RiskLimits(max_position=D(8)))) == []
    assert reins.now.every.max_position == D(8)
    assert reins.confirm() == []
    assert reins.now.every.max_position == D(8)


def test_changes_name_every_kind_of_value() -> None:
    before = Tables(venue={"pit": RiskLimits(refuse_self_trade=True, duplicate_s=2.0)})
    after = Tables(venue={"pit": RiskLimits(refuse_self_trade=False, duplicate_s=0.5, max_open_orders=3)})
    assert changes(before, after) == [
        Changed("risk.venue.pit.refuse_self_trade", "true", "false", looser=True),
        Changed("risk.venue.pit.duplicate_s", "2", "0.5", looser=True),
        Changed("risk.venue.pit.max_open_orders", "", "3", looser=False),
    ]


limits = st.builds(
    RiskLimits,
    max_position=st.none() | st.integers(0, 3).map(Decimal),
    wait_after_repair_s=st.none() | st.integers(0, 3).map(float),
    require_synchronised=st.none() | st.booleans(),
)


@given(before=limits, after=limits)
def test_what_is_in_force_is_never_looser_than_either(before: RiskLimits, after: RiskLimits) -> None:
    now = tightened(Tables(every=before), Tables(every=after)).every
    for name in ("max_position", "wait_after_repair_s", "require_synchronised"):
        value = getattr(now, name)
        assert value in {getattr(before, name), getattr(after, name)}
        assert not looser(name, getattr(before, name), value)
        assert not looser(name, getattr(after, name), value)
        assert value == tightest(name, getattr(before, name), getattr(after, name))


def test_what_is_new_of_limits_stands_alone() -> None:
    before = Tables(every=RiskLimits(max_order_size=D(5), max_gross=D(9)), strategy={"grid": GRID})
    after = Tables(every=RiskLimits(max_order_size=D(2), max_gross=D(9)), venue={"pit": GRID})
    found = newly(before, after)
    assert found.every == RiskLimits(max_order_size=D(2))
    assert (found.venue["pit"], found.strategy["grid"]) == (GRID, RiskLimits()), "a limit that went is none"
    assert newly(after, after).every == RiskLimits()
