"""Whose it is that somebody else made a position smaller: exact shares, by a rule that is the same each time."""

from decimal import Decimal
from fractions import Fraction
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from account_fixtures import fill
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, plain
from tapeline.trading.accounting.allotment import NOBODY, Piece, allotted, pieces, pro_rata, share_out

D = Decimal
SPOT = Instrument(venue="v", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT", lot=D("0.001"))
SWAP = Instrument(
    venue="v", symbol="BTC/USDT:USDT", native="BTC-SWAP", kind="perpetual", base="BTC", quote="USDT", settle="USDT",
    lot=D("0.001"),
)  # fmt: skip
LOTS = st.integers(-5_000, 5_000).map(lambda count: D(count).scaleb(-3))


def sizes(**lines: str) -> dict[str | None, Decimal]:
    """What lines hold; `nobody` is that of nobody, and the account's is their sum."""
    held: dict[str | None, Decimal] = {"" if name == "nobody" else name: D(size) for name, size in lines.items()}
    return {None: sum(held.values(), D(0)), **held}


def of(delta: str, *, stopped: bool = False, **lines: str) -> dict[str, str]:
    found = allotted(D(delta), sizes(**lines), SWAP, stopped=stopped)
    return {name or "nobody": plain(size) for name, size in found.items()}


def test_who_opens_from_outside_opens_for_nobody() -> None:
    assert of("2") == {"nobody": "2"}
    assert of("2", a="1") == {"nobody": "2"}
    assert of("-2", a="-1", nobody="-1") == {"nobody": "-2"}
    assert of("-1", a="1", b="-1") == {"nobody": "-1"}, "the account holds nothing, so nothing is closed"


def test_who_closes_from_outside_closes_what_nobody_holds_first_and_then_strategies_by_size() -> None:
    assert of("-1", a="3", nobody="1") == {"nobody": "-1"}
    assert of("-2", a="3", nobody="1") == {"a": "-1", "nobody": "-1"}
    assert of("-3", a="2", b="4") == {"b": "-2", "a": "-1"}
    assert of("-0.001", a="2", b="4") == {"b": "-0.001"}, "whole lots, and the rest off the largest"
    assert of("1.001", a="-1", b="-1") == {"a": "0.501", "b": "0.5"}, "of two alike, the first by name"
    assert of("-1", a="4", b="-1", nobody="-1") == {"a": "-1"}, "only those that hold on the account's side"


def test_an_emergency_stop_closes_strategies_first() -> None:
    assert of("-1", a="3", nobody="1", stopped=True) == {"a": "-1"}
    assert of("-3", a="2", nobody="2", stopped=True) == {"a": "-2", "nobody": "-1"}


def test_who_closes_all_closes_every_line_and_what_goes_beyond_is_nobodys() -> None:
    assert of("-3", a="2", b="1") == {"a": "-2", "b": "-1"}
    assert of("-5", a="2", nobody="1") == {"a": "-2", "nobody": "-3"}
    assert of("-1", a="2", b="-1") == {"a": "-2", "b": "1"}, "those that hold against each other too"
    assert of("-1", a="-1", nobody="2") == {"a": "1", "nobody": "-2"}


def test_on_spot_a_sale_takes_what_no_strategy_has_first() -> None:
    def sold(delta: str, spare: str, *, stopped: bool = False, **lines: str) -> dict[str, Decimal]:
        return allotted(D(delta), sizes(**lines), SPOT, spare=D(spare), stopped=stopped)

    assert sold("-1", "1", a="3") == {NOBODY: D(-1)}
    assert sold("-2", "1", a="3") == {"a": D(-1), NOBODY: D(-1)}
    assert sold("-2", "-7", a="1") == {"a": D(-1), NOBODY: D(-1)}, "more is lacking than strategies hold"
    assert sold("-2", "5", a="1", b="1", stopped=True) == {"a": D(-1), "b": D(-1)}
    assert sold("2", "0", a="-1") == {NOBODY: D(2)}, "what strategies sold of the account's coins is no short position"


def test_values_and_fees_follow_in_proportion_and_lose_nothing() -> None:
    shares = {"a": D(-1), "b": D(-2), NOBODY: D(-4)}
    news = fill("1", "", "7", "0.1", fee="1", side="sell")
    found = pieces(shares, news, SPOT, D("0.7"))
    assert [each.strategy for each in found] == ["a", "b", NOBODY]
    assert [each.taken for each in found] == [True, True, False]
    assert reduce(EXACT.add, (each.value for each in found)) == D("0.7")
    assert reduce(EXACT.add, (each.fee or D(0) for each in found)) == 1
    assert found[0].fee == D("0.142857142857142857")
    untold = fill("1", "", "7", "0.1", fee=None, side="sell")
    assert pieces({"a": D(-7)}, untold, SWAP, D("0.7")) == [Piece("a", D(-7), D("0.7"), None, taken=True)]


def test_an_amount_is_shared_by_weights_without_their_sign() -> None:
    assert share_out(D(9), {"a": D(1), "b": D(-2)}) == {"a": D(3), "b": D(6)}
    assert share_out(D(-1), {"a": D(0)}) == {"a": D(-1)}


def test_without_lots_shares_are_as_fine_as_they_come() -> None:
    shares = pro_rata(D(1), {"a": D(1), "b": D(2)}, None)
    assert shares == {"b": D("0.666666666666666667"), "a": D("0.333333333333333333")}
    assert pro_rata(D(9), {"a": D(1), "b": D(2)}, None) == {"b": D(2), "a": D(1)}
    assert pro_rata(D(0), {"a": D(1)}, D(1)) == {}


@given(LOTS.filter(bool), st.dictionaries(st.sampled_from(["a", "b", "c", NOBODY]), LOTS), st.booleans())
def test_shares_add_up_and_no_line_goes_through_zero(
    delta: Decimal, lines: dict[str | None, Decimal], stopped: bool
) -> None:
    held = sum(lines.values(), D(0))
    found = allotted(delta, {None: held, **lines}, SWAP, stopped=stopped)
    assert sum(map(Fraction, found.values())) == Fraction(delta)
    after = {name: size + found.get(name or "", D(0)) for name, size in lines.items()}
    for name in found.keys() - {NOBODY}:
        assert abs(after[name]) <= abs(lines[name]), "strategies' lines only become smaller"
        assert after[name] * lines[name] >= 0
        assert after[name] % D("0.001") == 0
    mine = sum((size for name, size in after.items() if name), D(0))
    if held * delta < 0 and held * (held + delta) <= 0:
        assert not any(size for name, size in after.items() if name), "who closes all leaves no strategy anything"
    elif held * delta < 0 and not any(size * held < 0 for size in lines.values()):
        assert abs(mine) <= abs(held + delta), "no strategy holds more than the account does"
