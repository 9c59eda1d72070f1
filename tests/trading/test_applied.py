"""What the blotter gives are values: equal where they say the same, and nothing where nothing happened."""

from account_fixtures import A, placed, update
from tapeline.trading.applied import Applied, BlotterMemo, Lack
from tapeline.trading.orders import Blotter


def test_they_are_equal_where_they_say_the_same() -> None:
    blotter = Blotter("i")
    client_id = placed(blotter)
    blotter.apply(update(client_id, "filled", 20, filled="3"), 25)
    order = blotter.order(client_id)
    assert order is not None

    assert blotter.lacking(30) == [Lack(order, order.filled, 25)]
    assert blotter.apply(update(client_id, "filled", 20, filled="3"), 30) == Applied(order=order)
    assert Applied() == Applied((), (), "", None)
    assert BlotterMemo.__struct_fields__[:3] == ("counter", "forgotten", "lives")
    assert [each.client_id for each, _, _ in blotter.lacking(30)] == [client_id]
    assert order.intent.account == A
