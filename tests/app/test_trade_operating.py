"""What a person may ask of a running engine, checked before it is asked."""

import asyncio
import inspect
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine_fixtures import BTC, SECOND, Bench
from tapeline.app.trade.operating import operator_handlers
from tapeline.app.trade.reconciling import Reconciled
from tapeline.errors import ConfigError
from tapeline.model.limits import RiskLimits
from tapeline.trading.input import Operator
from tapeline.trading.risk.limits import Tables

PERSON = {"who": "Ann", "why": "because"}


class Stopped:
    """A clock that stands."""

    def now(self) -> float:
        return 9.0

    def wall_ns(self) -> int:
        return 9 * SECOND


class Books:
    """A reconciler that is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def run(self, why: str, accepted: str = "") -> Reconciled:
        self.asked.append((why, accepted))
        return Reconciled(at_ns=5, done=1, waiting="", foreign=("sim:BTC/USDT 7",))


class Desk:
    def __init__(self) -> None:
        self.bench, self.books, self.offered = Bench(), Books(), list[Any]()
        reconcilers: Any = lambda: {"main": self.books}  # noqa: E731  # a stand-in
        self._handlers = operator_handlers(
            self.bench.engine, self.offered.append, reconcilers, Stopped()
        )  # fmt: skip

    def ask(self, op: str, request: Mapping[str, Any]) -> Any:
        found = self._handlers[op](request)

        async def waited() -> Any:
            return await found

        return asyncio.run(waited()) if inspect.isawaitable(found) else found


def test_a_word_goes_to_the_engine_with_who_said_it() -> None:
    desk = Desk()
    name = desk.bench.strategy.name

    assert desk.ask("operate", {"action": "pause", "value": name, **PERSON}) == {
        "asked": "pause", "value": name, "account": "", "changes": [],
    }  # fmt: skip

    assert desk.offered == [Operator("pause", "", "Ann", "because", 9 * SECOND, name)]


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"action": "dance", **PERSON}, "nothing an operator can ask"),
        ({"action": "pause", "value": "nobody", **PERSON}, "there is no strategy 'nobody'"),
        ({"action": "confirm", "who": "Ann", "why": " "}, "say who you are and why"),
        ({"action": "confirm", "who": "Watchdog", "why": "because"}, "say who you are and why"),
        ({"action": "limits", "value": '{"every": {"max_speed": 1}}', **PERSON}, "limits: "),
        ({"action": "claim", "value": "sim:BTC/USDT 7", **PERSON}, "it has none"),
        ({"action": "claim", "account": "other", "value": "sim:BTC/USDT 7", **PERSON}, "say which account: main"),
    ],
)
def test_what_the_engine_could_not_do_is_refused_where_somebody_hears_it(request_: dict[str, str], why: str) -> None:
    desk = Desk()

    with pytest.raises(ConfigError, match=why):
        desk.ask("operate", request_)

    assert desk.offered == []


def test_limits_and_claims_pass_once_they_make_sense() -> None:
    desk = Desk()
    desk.bench.told("theirs", "open", venue_id="7", side="sell", size=BTC.lot)
    limits = msgspec.json.encode(Tables()).decode()

    desk.ask("operate", {"action": "limits", "value": limits, **PERSON})
    desk.ask("operate", {"action": "claim", "value": f"{BTC.id} 7", **PERSON})

    assert [(each.action, each.account) for each in desk.offered] == [("limits", ""), ("claim", "main")]


def test_what_becomes_of_each_limit_is_answered() -> None:
    desk = Desk()
    reins = desk.bench.engine.situation.risk.limits
    reins.now = Tables(every=RiskLimits(max_open_orders=5, max_daily_loss=Decimal(100)))
    asked = Tables(every=RiskLimits(max_open_orders=2, max_daily_loss=Decimal(500)))

    word = {"action": "limits", "value": msgspec.json.encode(asked).decode(), **PERSON}
    assert desk.ask("operate", word)["changes"] == [
        "risk.max_open_orders: 5 -> 2",
        "risk.max_daily_loss: 100 -> 500: looser, it waits for confirm",
    ]
    reins.change(asked)
    assert desk.ask("operate", {"action": "confirm", **PERSON})["changes"] == ["risk.max_daily_loss: 100 -> 500"]


def test_an_account_is_compared_and_what_differs_accepted_by_a_person_only() -> None:
    desk = Desk()

    state = desk.ask("reconcile", {})

    assert (state["foreign"], state["unexplained"]) == (("sim:BTC/USDT 7",), ())
    with pytest.raises(ConfigError, match="say who you are"):
        desk.ask("reconcile", {"accept": True, "who": "reconciliation", "why": "itself"})
    desk.ask("reconcile", {"accept": True, **PERSON})
    assert desk.books.asked == [("asked for", ""), ("asked for", "Ann: because")]


def test_an_account_on_paper_has_nothing_to_compare() -> None:
    bench = Bench()
    handlers = operator_handlers(bench.engine, list[Any]().append, dict, Stopped())

    async def ask() -> None:
        found = handlers["reconcile"]({})
        assert inspect.isawaitable(found)
        await found

    with pytest.raises(ConfigError, match="account main is on paper"):
        asyncio.run(ask())
