from decimal import Decimal

from tapeline.trading.desk import Demand, Money, Stand


def test_values_say_what_is_usual() -> None:
    assert Demand() == Demand(last_s=3600.0, channel="trades")
    assert Stand(size=Decimal(1)) == Stand(size=Decimal(1), dust=Decimal(0), entry_price=None, realised=Decimal(0))
    assert Money(total=Decimal(2), free=Decimal(1)).free == 1
