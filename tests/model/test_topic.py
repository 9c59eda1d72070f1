from tapeline.model.topic import Topic


def test_a_topic_is_a_value_with_an_order_and_a_name() -> None:
    assert str(Topic("trades", "BTCUSDT")) == "trades BTCUSDT"
    assert str(Topic("status", "")) == "status"
    assert sorted({Topic("trades", "B"), Topic("book", "C"), Topic("trades", "A"), Topic("trades", "A")}) == [
        Topic("book", "C"), Topic("trades", "A"), Topic("trades", "B"),
    ]  # fmt: skip
