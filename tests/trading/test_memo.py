"""A memo of a journal's first records and the records behind it are as good as all of it, whatever happened."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from account_fixtures import BTC, A, approved, failed, fill, intent, sent, update
from tapeline.errors import BadData, Broken
from tapeline.model.account import Fill, Payment
from tapeline.model.event import Trade
from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.ledger import Adjustment
from tapeline.trading.command import Amend, Cancel, Hold, Note, Submit, Withdraw
from tapeline.trading.engine import Engine
from tapeline.trading.input import Forget, Halted, Operator
from tapeline.trading.memo import Memo, decode, encode, layout
from tapeline.trading.orders import Blotter
from tapeline.trading.record import Agreed, Digest, Entry, Listed, Marked, Remembered
from tapeline.trading.record import decode as reread
from tapeline.trading.record import encode as written
from tapeline.trading.restore import Playback, restore
from tapeline.trading.risk.losses import Since
from tapeline.trading.setup import Account, Setup
from tapeline.trading.strategy import Strategy

D = Decimal
SPOT = Instrument(venue="v", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
SWAP = msgspec.structs.replace(SPOT, symbol="BTC/USDT:USDT", kind="perpetual", settle="USDT")
OURS = [f"t1i{number:07d}s" for number in range(1, 6)]
STATES = ("open", "partly_filled", "filled", "cancelled", "rejected", "expired", "never_arrived")
amounts = st.decimals("0.001", "9.999", places=3).map(str)
orders = st.sampled_from(OURS)
anybody = st.sampled_from([*OURS, "web", ""])
places = st.sampled_from([BTC, SWAP.id])
stamps = st.integers(1, 9)


@st.composite
def fills(draw: st.DrawFn) -> Fill:
    fee = draw(st.one_of(st.none(), st.sampled_from(["0.001", "0", "-0.002"])))
    return fill(
        str(draw(st.integers(1, 6))), draw(anybody), draw(amounts), draw(amounts), fee=fee, at_ns=draw(stamps),
        side=draw(st.sampled_from(["buy", "sell"])), venue_id=str(draw(st.integers(1, 4))), instrument=draw(places),
        fee_currency=draw(st.sampled_from(["USDT", "BTC", "BNB"])),
        realised=draw(st.sampled_from([None, None, "0.5"])),
    )  # fmt: skip


def payment(name: str, amount: str, kind: str, at_ns: int) -> Payment:
    where = SWAP.id if kind == "funding" else None
    return Payment(where, "payments", at_ns, at_ns, "ws", A, id=name, currency="USDT", amount=D(amount), kind=kind)


def adjustment(instrument: str, theirs: str, at_ns: int, fees: bool) -> Adjustment:
    return Adjustment(
        account=A, ours=D(0), theirs=D(theirs), why="?", explained=False, at_ns=at_ns, instrument=instrument,
        currency="" if instrument else "USDT", price=D(10) if instrument else None, fees=fees,
    )  # fmt: skip


records: st.SearchStrategy[Any] = st.one_of(
    fills(),
    orders.map(lambda name: Submit(approved(name, intent()))),
    st.builds(lambda name, after: Hold(name, intent(), after), orders, st.sampled_from(["", *OURS])),
    orders.map(lambda name: Withdraw(name, "no more")),
    orders.map(Cancel),
    st.builds(lambda name, size: Amend(name, size=D(size)), orders, amounts),
    st.builds(sent, orders, st.sampled_from(["submit", "cancel", "amend"])),
    st.builds(
        failed, orders, st.sampled_from(["submit", "cancel", "amend"]),
        st.sampled_from(["unsent", "refused", "unknown"]), st.sampled_from(["", "duplicate", "unknown_order"]),
    ),
    st.builds(
        lambda name, state, at_ns, venue_id, filled, source: update(
            name, state, at_ns, venue_id=venue_id, filled=filled, size="3", price="10", source=source
        ),
        anybody, st.sampled_from(STATES), stamps, st.integers(1, 4).map(str), st.one_of(st.none(), amounts),
        st.sampled_from(["ws", "rest"]),
    ),
    st.builds(payment, st.sampled_from(["", "1", "2"]), amounts, st.sampled_from(["funding", "transfer"]), stamps),
    st.builds(adjustment, st.sampled_from(["", SPOT.id, SWAP.id, "v:OTHER"]), amounts, stamps, st.booleans()),
    st.builds(lambda state, at_ns: Halted(A, state, "x", at_ns), st.sampled_from(["running", "halted"]), stamps),
    st.builds(lambda name: Operator("claim", A, "me", "mine", 5, f"{BTC} {name}"), st.integers(1, 4).map(str)),
    st.sampled_from([SPOT, SWAP]).map(lambda each: Listed(each, 1)),
    amounts.map(lambda price: Marked("v:BNB/USDT", price, 2)),
    amounts.map(lambda peak: Remembered({"account/main": Since(day=1, peak=D(peak))}, 3)),
    st.builds(lambda count, who: Agreed(A, 2, count, who, 3), st.integers(0, 2), st.sampled_from(["", "me"])),
    st.sampled_from(["0" * 32, "f" * 32]).map(lambda digest: Digest(digest, 4)),
    st.just(Note("a", A, "b")),
    st.builds(
        lambda before_ns, names, others: Forget(A, before_ns, 5, tuple(names), tuple(others)), stamps,
        st.lists(orders, max_size=3, unique=True), st.lists(st.tuples(places, st.integers(1, 4).map(str)), max_size=2,
                                                            unique=True),
    ),
)  # fmt: skip


def entries(of: Sequence[Any]) -> list[Entry]:
    bodies = [written(each) for each in of]
    return [Entry(at, reread(body), body.decode(), at) for at, body in enumerate(bodies, 1)]


def playback(of: Sequence[Entry], method: str = "average", memo: Memo | None = None) -> Playback:
    found = Playback("i", method=method, memo=memo)
    for each in of:
        found.play(each)
    return found


class Sweep(Strategy):
    """Does something about everything that it finds, so that its commands tell the state."""

    instruments = (BTC,)
    channels = ("trades",)

    def on_trade(self, trade: Trade) -> None:
        self.note(f"{self.position(BTC)} {self.balance('USDT')} {self.orders()}")
        for order in self.orders(BTC):
            self.cancel(order.client_id)
        self.buy(BTC, "0.5", price=trade.price)


def commands_after(found: Playback) -> bytes:
    """All that an engine does with this state: at its start, at a trade, at a fill and at a halt."""
    state = found.end(50)
    setup = Setup(
        accounts={A: Account(name=A, venue="v")}, instruments={BTC: SPOT, SWAP.id: SWAP},
    )  # fmt: skip
    strategy = Sweep()
    strategy.name = "s"
    engine = Engine(
        setup, [strategy], blotter=state.blotter, ledger=state.ledger, digest=state.digest, losses=state.losses,
        held=state.held,
    )  # fmt: skip
    done = [engine.start(60)]
    for at_ns, event in enumerate(
        [
            Trade(BTC, "trades", 70, 70, "ws", "1", 1, "buy", D(10), D(1)), fill("9", OURS[0], at_ns=71),
            update(OURS[1], "filled", 72, venue_id="3"), Halted(A, "halted", "y", 73),
        ], 70,
    ):  # fmt: skip
        done.append(engine.step(event, at_ns))
    return msgspec.json.encode([done, engine.digest])


@settings(max_examples=150, deadline=None)
@given(st.lists(records, max_size=60), st.data(), st.sampled_from(["average", "fifo"]))
def test_a_memo_and_the_rest_are_the_whole(of: Sequence[Any], data: st.DataObject, method: str) -> None:
    events = entries([Listed(SPOT, 1), Listed(SWAP, 1), *of])
    cut = data.draw(st.integers(0, len(events)))
    whole = playback(events, method)
    memo = decode(encode(playback(events[:cut], method).memo()))
    shorter = playback(events[cut:], method, memo)

    assert encode(shorter.memo()) == encode(whole.memo())
    assert commands_after(shorter) == commands_after(whole)


def test_a_memo_holds_what_is_odd() -> None:
    """Orders found by two venue ids, orders of other origin, fills of nobody, halves of payments: each by its value."""
    ours = Blotter("i").next_id("s")
    found = playback(entries([
        Listed(SWAP, 1), Submit(approved(ours, intent(instrument=SWAP.id))),
        update(ours, "open", 2, venue_id="7", instrument=SWAP.id),
        update(ours, "open", 3, venue_id="8", instrument=SWAP.id),
        update("web", "open", 4, venue_id="9"), fill("5", "", venue_id="77", instrument=SWAP.id, fee=None),
        fill("5", "", venue_id="77", instrument=SWAP.id, side="sell"), payment("", "1.50", "funding", 5),
        Note("a", A, "b"),
    ]))  # fmt: skip
    memo = decode(encode(found.memo()))
    again = Playback("i", memo=memo)
    blotter, ledger = again.end(99).blotter, memo.ledger

    assert blotter.by_venue_id(A, SWAP.id, "7") is blotter.by_venue_id(A, SWAP.id, "8") is blotter.order(ours)
    assert [order.client_id for order in blotter.foreign()] == ["web"]
    assert ledger.balance(A, "USDT") == D("1.50")
    assert not ledger.pay(payment("1", "1.50", "funding", 6)).changes, "the other half of what was paid"
    assert [each.id for each in ledger.feeless(A)] == ["5"]
    assert (memo.records, [msgspec.json.decode(each)["type"] for each in memo.commands]) == (9, ["submit", "note"])
    assert blotter.next_id("s") == OURS[1]


def test_bytes_that_are_no_memo_are_refused() -> None:
    good = encode(playback([]).memo())
    for bad in (b"", good[:-3], b"\xc1"):
        with pytest.raises(BadData):
            decode(bad)
    memo = decode(good)
    memo.blotter.ours["x"] = 3
    with pytest.raises(Broken, match="a memo of 0 orders names others"):
        Playback("i", memo=memo)


def test_commands_tell_the_state() -> None:
    """Else the property above would compare nothing."""
    nothing, held = playback([]), playback(entries([Listed(SPOT, 1), fill("1", "", fee="0")]))
    waiting = playback(entries([Submit(approved(OURS[0], intent()))]))
    nothing_done, held_done, waiting_done = map(commands_after, (nothing, held, waiting))

    assert b'"submit"' in nothing_done
    assert b'"cancel"' in waiting_done
    assert len({nothing_done, held_done, waiting_done}) == 3


def test_the_layout_is_of_the_classes_themselves() -> None:
    assert layout() == layout()
    assert restore([], "i", 1).played == 0
