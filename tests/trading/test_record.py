"""Records of the journal: what is written is read back, and an order that was approved can be sent no more."""

from decimal import Decimal
from typing import Any

import pytest

from account_fixtures import A, approved, failed, fill, intent, sent, update
from tapeline.errors import BadData
from tapeline.trading.accounting.ledger import Adjustment
from tapeline.trading.command import Cancel, Hold, Note, Submit
from tapeline.trading.record import (
    Begun,
    Digest,
    Heading,
    Marked,
    Ordered,
    Remembered,
    Submitted,
    decode,
    encode,
    heading,
)
from tapeline.trading.risk.losses import Since

RECORDS: list[Any] = [
    Hold("c", intent(size="1.50"), "b"),
    Cancel("c"),
    Note("denied", A, "too large", "c", "s"),
    update("c", "open", 5, venue_id="1", filled="0.10"),
    fill("1", "c", "0.00000001", "97000.10", fee=None),
    sent("c"),
    failed("c", "cancel", "refused", "unknown_order"),
    Adjustment(account=A, ours=Decimal(1), theirs=Decimal(2), why="?", explained=False, at_ns=3, currency="USDT"),
    Begun("0.1.0", "{}", 1),
    Marked("v:BNB/USDT", "600.10", 2),
    Remembered({"account/main": Since(day=1, equity=Decimal(5))}, 3),
    Digest("ab", 4),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_what_is_written_is_read_back(record: Any) -> None:
    assert decode(encode(record)) == record


def test_what_was_approved_comes_back_as_what_it_was_and_not_as_approved() -> None:
    order = approved("c", intent())
    read = decode(encode(Submit(order)))

    assert read == Submitted(Ordered("c", intent()))
    assert heading(Submit(order), 9) == Heading("submit", A, "c", 9)


def test_what_a_record_is_found_by() -> None:
    found = [heading(record, 99) for record in RECORDS]

    assert found[0] == Heading("hold", A, "c", 99)
    assert found[3] == Heading("order_update", A, "c", 5)
    assert found[7] == Heading("adjustment", A, "", 3)
    assert found[8] == Heading("begun", "", "", 1)


@pytest.mark.parametrize("body", ["", "{}", '{"type":"fill"}', '{"type":"surprise"}'])
def test_what_is_no_record_is_refused(body: str) -> None:
    with pytest.raises(BadData, match="no record of a journal"):
        decode(body)
