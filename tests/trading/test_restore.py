"""A journal played back is the state it was written from."""

from collections.abc import Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from account_fixtures import BTC, A, approved, failed, fill, intent, sent, update
from tapeline.model.account import Payment
from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.ledger import Adjustment, Ledger
from tapeline.trading.command import Amend, Cancel, CancelAll, Hold, Note, Submit, Withdraw
from tapeline.trading.input import Halted, Operator
from tapeline.trading.orders import Blotter
from tapeline.trading.record import Agreed, Begun, Digest, Entry, Listed, Marked, Remembered, decode, encode
from tapeline.trading.restore import Restored, digest_of, restore
from tapeline.trading.risk.losses import Since

D = Decimal
SPOT = Instrument(venue="v", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
SWAP = msgspec.structs.replace(SPOT, symbol="BTC/USDT:USDT", kind="perpetual", settle="USDT")


def entry(at_ns: int, record: Any) -> Entry:
    body = encode(record)
    return Entry(at_ns, decode(body), body.decode())


def json(*records: Any) -> list[str]:
    return [encode(each).decode() for each in records]


def played(records: Sequence[Any]) -> Restored:
    """Through JSON and back."""
    return restore(list(map(entry, range(1, 99), records)), "i", 99)


def deposit(amount: str) -> Payment:
    return Payment(None, "payments", 0, 0, "rest", A, id="1", currency="USDT", amount=D(amount), kind="transfer")


def test_orders_and_books_come_back_as_they_were() -> None:
    blotter, ledger = Blotter("i"), Ledger()
    one, two = blotter.next_id("s"), blotter.next_id("s")
    news: list[Any] = [
        sent(one), update(one, "open", 5, venue_id="7", size="3", price="10"), fill("1", one, venue_id="7", fee="0.1"),
        sent(two), update(two, "open", 5, venue_id="8", size="3", price="10"),
        update(two, "cancelled", 9, venue_id="8", filled="0"),
    ]  # fmt: skip
    ledger.pay(deposit("100"))
    for client_id in (one, two):
        blotter.intend(client_id, intent(), 1)
    for each in news:
        if blotter.apply(each, 9).fill == "new":
            ledger.apply(each, SPOT, "s")
    records = [
        Listed(SPOT, 1), deposit("100"), Submit(approved(one, intent())), Submit(approved(two, intent())), *news,
        fill("1", one, venue_id="7", fee="0.1"), Note("denied", A, "x"), CancelAll(A),
    ]  # fmt: skip
    found = played(records)

    for client_id in (one, two):
        before: Any = blotter.order(client_id)
        after: Any = found.blotter.order(client_id)
        clocks = {"created_ns": 0, "updated_ns": 0}
        assert msgspec.structs.replace(after, **clocks) == msgspec.structs.replace(before, **clocks)
    assert found.ledger.balances(A) == ledger.balances(A) == {"USDT": D("89.9"), "BTC": D(1)}
    assert found.ledger.holding(A, BTC, strategy="s") == ledger.holding(A, BTC, strategy="s")
    assert found.blotter.next_id("s") == blotter.next_id("s")
    assert (found.records, found.problems) == (len(records), [])


def test_what_was_in_flight_is_unknown_and_what_was_held_is_still_held() -> None:
    ids = [Blotter("i").next_id("s")[:-1] + letter for letter in "abcdef"]
    intended, left, cancelled, amended, held, over = ids
    found = played([
        *(Submit(approved(each, intent())) for each in (intended, left, cancelled, amended)), sent(left),
        update(cancelled, "open", 2, venue_id="1"), update(amended, "open", 2, venue_id="2", size="3"),
        Cancel(cancelled), Amend(amended, size=D(5)), Hold(held, intent(), left), Hold(over, intent()),
        Withdraw(over, "no more"),
    ])  # fmt: skip
    states = {each: order.state for each in ids if (order := found.blotter.order(each)) is not None}

    assert states == {
        intended: "unknown", left: "unknown", cancelled: "unknown", amended: "unknown", held: "intended",
        over: "withdrawn",
    }  # fmt: skip
    assert found.held == {held: left}
    assert found.blotter.worst(A, BTC).buy == 3 + 3 + 3 + 5 + 3


def test_an_order_that_was_held_and_then_sent_is_in_flight() -> None:
    client_id = Blotter("i").next_id("s")
    found = played([Hold(client_id, intent()), Submit(approved(client_id, intent()))])

    assert found.held == {}
    assert [order.state for order in found.blotter.live()] == ["unknown"]


def test_halts_losses_claims_and_adjustments_hold() -> None:
    found = played([
        Listed(SWAP, 1), Halted(A, "reduce_only", "x", 1), Halted(A, "halted", "y", 2),
        Remembered({"account/main": Since(day=1, peak=D(9))}, 3),
        update("web", "open", 4, venue_id="900"), Operator("claim", A, "me", "mine", 5, f"{BTC} 900"),
        Operator("pause", A, "me", "tired", 5, "s"),
        Adjustment(account=A, ours=D(0), theirs=D(7), why="opening", explained=True, at_ns=6, currency="USDT"),
        Adjustment(account=A, ours=D(0), theirs=D(2), why="?", explained=False, at_ns=6, instrument=SWAP.id,
                   price=D(10)),
    ])  # fmt: skip

    assert found.halts == {A: "halted"}
    assert found.losses == {"account/main": Since(day=1, peak=D(9))}
    assert [order.client_id for order in found.blotter.live()] == ["web"]
    assert found.ledger.balance(A, "USDT") == 7
    assert found.ledger.holding(A, SWAP.id).size == 2
    assert found.last_ns == 9


def test_up_to_when_a_run_has_heard_how_an_account_stands() -> None:
    assert played([Halted(A, "halted", "y", 5)]).listened_ns(A) > 10**18, "no run was there to hear anything"
    found = played([Begun("1", "{}", 7), Halted(A, "flat", "y", 9), Halted("other", "halted", "y", 8)])
    assert [found.listened_ns(name) for name in (A, "other", "third")] == [9, 8, 7]
    later = played([Begun("1", "{}", 7), Begun("1", "{}", 20)])
    assert later.listened_ns(A) == 7, "what was unheard before the second run, and was not told by it, still is"


def test_a_reconciliation_that_ended_is_remembered() -> None:
    client_id = Blotter("i").next_id("s")
    told = [Submit(approved(client_id, intent())), update(client_id, "filled", 2, filled="3")]
    found = played([*told, Agreed(A, 2, 1, "", 3), Agreed("other", 1, 1, "me: fine", 4)])

    assert played(told).blotter.worst(A, BTC).buy == 3
    assert found.blotter.worst(A, BTC).buy == 0
    assert found.unexplained == {A: 1, "other": 0}
    assert found.ledger.agreed_ns(A) == 3


def test_fees_are_valued_at_the_price_of_then() -> None:
    found = played([Listed(SPOT, 1), Marked("v:BNB/USDT", "600", 2), fill("1", "", fee="0.01", fee_currency="BNB")])

    assert found.ledger.holding(A, BTC).realised == -6


def test_a_digest_says_that_the_commands_are_those_that_were_given() -> None:
    first, second = Note("a", A, "1"), Note("b", A, "2")
    one = digest_of("", json(first))
    two = digest_of(one, json(second, first))
    good: list[Any] = [first, Digest(one, 1), sent("x"), second, first, Digest(two, 2)]

    assert (played(good).digest, played(good).problems) == (two, [])
    lost = played([each for each in good if each is not second])
    assert lost.problems == ["record 5: the commands before it are not those of its digest"]
    assert lost.digest == two


def test_what_a_stop_notes_beside_the_engine_is_none_of_its_commands() -> None:
    first, second = Note("a", A, "1"), Note("b", A, "2")
    one, two = digest_of("", json(first)), digest_of(digest_of("", json(first)), json(second))
    beside: list[Any] = [Note(kind, A, "by ann") for kind in ("halt", "flatten", "halt_report")]

    found = played([*beside, first, *beside, Digest(one, 1), *beside, second, Digest(two, 2)])

    assert (found.digest, found.problems) == (two, [])


def test_the_engine_s_digest_is_ours() -> None:
    commands = [Note("a", A, "1"), Cancel("c")]

    assert digest_of("d", json(*commands)) == blake2b(b"d" + encode(commands), digest_size=16).hexdigest()


def test_what_makes_no_sense_is_said() -> None:
    client_id = Blotter("i").next_id("s")
    found = played([
        fill("1", client_id), Cancel("nobody"), Hold(client_id, intent()), Withdraw(client_id, "it is"),
        Hold(client_id, intent()),
        Adjustment(account=A, ours=D(0), theirs=D(2), why="?", explained=False, at_ns=6, instrument=BTC),
        failed("nobody", "cancel", "unknown"),
    ])  # fmt: skip

    assert found.problems == [
        f"record 1: a fill of {BTC}, which nobody lists",
        "record 2: nobody is no order of ours",
        f"record 5: {client_id} is the id of another order",
        f"record 6: a position of {BTC}, which nobody lists",
    ]
    assert restore([entry(1, fill("1", client_id))], "i", 1, instruments={BTC: SPOT}).problems == []
