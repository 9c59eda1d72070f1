from collections.abc import Sequence
from decimal import Decimal

import msgspec

from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.trading.divergence import divergence, paired
from tapeline.trading.outcomes import Outcome, Run
from trade_fixtures import spot

D = Decimal
NAME = "binance:BTC/USDT"
SECOND = 1_000_000_000


def order(
    name: str, at_s: float, *, side: str = "buy", price: str = "", filled: str = "0", delay_ns: int | None = None,
    kind: str = "market", strategy: str = "s", fee: str = "",
) -> Outcome:  # fmt: skip
    at_ns = round(at_s * SECOND)
    return Outcome(
        client_id=name, intent=Intent(instrument=NAME, side=side, kind=kind, size=D(2), strategy=strategy),
        decided_ns=at_ns, sent_ns=at_ns, state="filled", size=D(2), filled=D(filled),
        price=D(price) if price else None, taken=D(filled), fees={"USDT": D(fee)} if fee else {}, delay_ns=delay_ns,
        why="",
    )  # fmt: skip


def run(*orders: Outcome, begun_s: int = 0, denied: Sequence[int] = (), listed: Instrument | None = None) -> Run:
    known = listed or spot()
    return Run(
        begun_ns=begun_s * SECOND, orders=orders, denied_ns=[each * SECOND for each in denied],
        instruments={known.id: known},
    )  # fmt: skip


def names(paper: Sequence[Outcome], live: Sequence[Outcome], within_s: float = 5) -> list[str]:
    found = paired(paper, live, within_ns=round(within_s * SECOND))
    return [f"{one.client_id if one else ''}-{other.client_id if other else ''}" for one, other in found]


def test_the_same_decision_is_compared_in_price_size_delay_and_fee() -> None:
    paper = run(
        order("p1", 10, price="101", filled="2", delay_ns=4, fee="0.2"),
        order("p2", 20, side="sell", price="110", filled="2", delay_ns=10, fee="0.2"), order("p3", 30),
    )  # fmt: skip
    live = run(
        order("l1", 11, price="102", filled="1", delay_ns=10, fee="0.1"),
        order("l2", 20, side="sell", price="109.5", filled="2", delay_ns=30, fee="0.25"),
        order("l3", 30, price="99", filled="1", delay_ns=1),
    )  # fmt: skip
    report = divergence(paper, live)
    assert [(pair.worse, pair.cost, pair.value) for pair in report.pairs] == [
        (D(1), D(1), D(101)), (D("0.5"), D("1.0"), D(220)), (None, None, None),
    ]  # fmt: skip
    (part,) = report.parts
    assert (part.instrument, part.currency, part.pairs) == (NAME, "USDT", 3)
    assert (part.both, part.only_paper, part.only_live) == (2, 0, 1)
    assert (part.cost, part.fill_ratio) == (D("2.0"), D(1))
    assert part.worse_share is not None
    assert abs(part.worse_share * 321 - 2) < D("1e-20")
    assert (report.paper_delay_ns, report.live_delay_ns, report.later_ns) == (10, 30, 20)
    assert (report.paper_fees, report.live_fees) == ({"USDT": D("0.4")}, {"USDT": D("0.35")})
    assert (report.alone_on_paper, report.alone_live) == (0, 0)


def test_contracts_cost_what_they_are_worth() -> None:
    listed = msgspec.structs.replace(spot(), size_unit="contract", contract_size=D("0.01"), settle="USDC")
    paper, live = order("p", 1, price="100", filled="2"), order("l", 1, price="103", filled="5")
    (pair,) = divergence(run(paper, listed=listed), run(live, listed=listed)).pairs
    assert (pair.cost, pair.value, pair.currency) == (D("0.06"), D("2.00"), "USDC")


def test_what_only_one_run_decided_stays_alone() -> None:
    """Another strategy, side, kind or time is another decision."""
    paper = [order("a", 1), order("b", 1, strategy="t"), order("c", 1, kind="limit"), order("d", 1, side="sell")]
    assert names(paper[:1], paper[1:]) == ["a-", "-b", "-c", "-d"]
    assert names([order("a", 1)], [order("b", 6.5)]) == ["a-", "-b"]
    assert names([order("a", 6.5)], [order("b", 1)]) == ["-b", "a-"]
    assert names([order("a", 1)], [order("b", 6.5)], within_s=6) == ["a-b"]


def test_the_nearest_are_a_pair_where_one_side_decided_once_more() -> None:
    paper = [order("a", 10), order("b", 14), order("c", 18)]
    assert names(paper, [order("x", 13.9), order("y", 18.1)]) == ["a-", "b-x", "c-y"]
    assert names([order("x", 13.9), order("y", 18.1)], paper) == ["-a", "x-b", "y-c"]
    assert names(paper, [order("x", 10.1), order("y", 14.1), order("z", 18.1)]) == ["a-x", "b-y", "c-z"]


def test_what_was_before_the_later_run_began_is_left_out() -> None:
    paper = run(order("early", 1), order("a", 10), order("late", 30), begun_s=0, denied=[2, 12])
    live = run(order("x", 10), begun_s=5)
    report = divergence(paper, live)
    assert (report.from_ns, report.alone_on_paper, report.denied_on_paper, report.denied_live) == (5 * SECOND, 1, 1, 0)
    assert divergence(paper, live, to_ns=20 * SECOND).alone_on_paper == 0
    assert divergence(paper, live, from_ns=0).alone_on_paper == 2


def test_nothing_in_common_is_nothing_to_say() -> None:
    report = divergence(run(order("a", 1, price="1", filled="1")), run())
    assert (report.parts, report.later_ns, report.alone_on_paper, report.live_fees) == ([], None, 1, {})
    nothing = divergence(run(order("a", 1)), run(order("x", 1)))
    assert (nothing.parts[0].fill_ratio, nothing.parts[0].worse_share, nothing.parts[0].cost) == (None, None, D(0))
