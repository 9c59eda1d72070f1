"""The witness of a trading day where others act too: what they do is no breach of ours, and ours is seen."""

from decimal import Decimal

from tapeline.model.account import AccountEvent
from tapeline.model.event import BookSnapshot
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.sim.trading.witness import UNHEARD_NS, Nobody, Witness
from tapeline.trading.paper.exchange import Exchange

D = Decimal
A = "one"
PERP = Instrument(
    venue="v", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT", settle="USDT",
    tick=D("0.1"), lot=D("0.001"),
)  # fmt: skip
NAME = PERP.id


class Stage:
    """An account with a person beside us, and a limit of 3."""

    def __init__(self, *, hedge: bool = False, apart: bool = False) -> None:
        self.exchange = Exchange({NAME: PERP})
        self.exchange.open_account(A, {"USDT": D(100_000)}, hedge=hedge)
        book = BookSnapshot(NAME, "book", 1, 1, "ws", [("99", "50")], [("100", "50")], last_seq=1)
        self.exchange.market(book, 1)
        self.wrong: list[str] = []
        self.others = Nobody()
        self.others.ids = set[str]()
        self.witness = Witness(self.exchange, A, {NAME: D(3)}, 2, self.wrong, others=self.others, apart=apart)
        self.now_ns, self.count = 2, 0

    def told(self, events: list[AccountEvent]) -> None:
        self.witness.told(events)

    def place(self, side: str, size: str, price: str | None = None, *, position: str = "net", by: str = "us") -> str:
        self.count += 1
        name = f"{by}{self.count}"
        if by != "us":
            assert isinstance(self.others.ids, set)
            self.others.ids.add(name)
        intent = Intent(
            instrument=NAME, side=side, kind="market" if price is None else "limit", size=D(size), account=A,
            price=None if price is None else D(price), position=position,
        )  # fmt: skip
        self.told(self.exchange.place(A, name, intent, self.now_ns))
        return name


def test_what_others_do_is_no_breach_of_ours_nor_what_we_cannot_know_yet() -> None:
    stage = Stage()
    stage.place("buy", "2", by="web")
    stage.place("buy", "9", "98", by="web")
    stage.place("buy", "2", by="web")
    stage.place("buy", "1", "98")
    assert stage.wrong == [], "what others bought was not known yet"
    stage.now_ns += UNHEARD_NS + 1
    stage.place("sell", "1", "110")
    assert stage.wrong == [], "beyond by their doing, and not made worse"
    stage.place("buy", "1", "97")
    assert stage.wrong == [
        "3 orders are open at the venue, and 2 may be",
        f"{NAME}: 4 is held and could become 3 or 6, beyond 3",
    ]


def test_sides_are_counted_apart_and_what_closes_opens_nothing() -> None:
    stage = Stage(hedge=True)
    stage.place("buy", "3", position="long")
    stage.place("sell", "3", position="short")
    stage.place("sell", "3", "110", position="long")
    assert stage.wrong == []
    stage.place("sell", "1", "120", position="short")
    assert stage.wrong == [f"{NAME}: -3 is held and could become -4 or -3, beyond 3"]


def test_a_sale_beyond_the_limit_is_seen_whatever_others_bought() -> None:
    stage = Stage()
    stage.place("buy", "2", by="web")
    stage.place("sell", "6")
    assert stage.wrong == [f"{NAME}: -4 is held and could become -4 or -4, beyond 3"]


def test_orders_of_ours_that_could_trade_with_each_other_are_seen_where_they_may_not() -> None:
    for apart, said in ((False, []), (True, ["us2 could trade with us1, both are ours"])):
        stage = Stage(apart=apart)
        stage.place("sell", "1", "105")
        stage.place("buy", "1", "98", by="web")
        assert stage.wrong == []
        stage.exchange.amend(A, stage.place("buy", "1", "98"), None, D(99), 9)
        assert stage.wrong == []
        resting = stage.exchange.account(A).open["us3"]
        resting.price = D(105)
        stage.told([resting.update(9)])
        assert stage.wrong == [each.replace("us2", "us3") for each in said]


def test_where_nobody_is_an_origin_of_the_venues_is_still_not_ours() -> None:
    stage = Stage()
    name = stage.place("buy", "1", "90")
    (ours,) = stage.exchange.orders(A)
    assert not stage.others.is_theirs(ours)
    assert stage.others.touched(stage.exchange) == []
    assert (ours.client_id, stage.witness.orders, stage.witness.fills) == (name, 1, 0)
