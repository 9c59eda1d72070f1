"""What is held, and what of it is dust."""

from decimal import Decimal

from tapeline.model.instrument import Instrument
from tapeline.trading.accounting.holding import Holding, dust, entry_price, sellable

D = Decimal
SPOT = Instrument(
    venue="v", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT", tick=D("0.01"),
    lot=D("0.001"), min_size=D("0.002"), min_notional=D(10),
)  # fmt: skip
SWAP = Instrument(
    venue="v", symbol="BTC/USDT:USDT", native="BTC-SWAP", kind="perpetual", base="BTC", quote="USDT", settle="USDT",
    size_unit="contract", contract_size=D("0.01"),
)  # fmt: skip


def test_what_closing_would_win() -> None:
    long = Holding(size=D(2), cost=D(200))
    short = Holding(size=D(-50), cost=D(50))

    assert long.unrealised(D(110), SPOT) == D(20)
    assert short.unrealised(D(90), SWAP) == D(5)
    assert Holding().unrealised(D(90), SPOT) == D(0)


def test_what_no_order_can_be_for_is_dust() -> None:
    sizes = [D("1.0005"), D("-1.0005"), D("0.0015"), D("0.003"), D(0)]

    assert [sellable(size, SPOT, D(4000)) for size in sizes] == [D(1), D(-1), 0, D("0.003"), 0]
    assert [dust(size, SPOT) for size in sizes[:3]] == [D("0.0005"), D("-0.0005"), D("0.0015")]
    assert sellable(D("0.003"), SPOT, D(3000)) == 0, "under the least value"
    assert sellable(D("0.003"), SPOT) == D("0.003")
    assert sellable(D("7.5"), SWAP, D(1)) == D("7.5")


def test_an_entry_price_is_a_price_of_base_not_of_contracts() -> None:
    assert entry_price(D(-50), D(50), SWAP) == D(100)
    assert entry_price(D(3), D(100), SPOT) == D("33.33333333333333333333333333")
    assert entry_price(D(0), D(0), SPOT) is None
    assert entry_price(D(1), D(1), None) is None
