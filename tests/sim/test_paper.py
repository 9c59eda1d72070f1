"""A paper exchange over a toy protocol, in memory and virtual time."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import toy_orders as toy
import toy_venue
from toy_venue import AB, START_NS

from tapeline.errors import ConfigError, ConnectionLost, OrderRefused, TimedOut
from tapeline.model.instrument import Instrument
from tapeline.model.interval import SECOND_NS
from tapeline.model.order import Intent
from tapeline.sim.faults import fault
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.paper.exchange import PaperSettings, Silence
from tapeline.sim.paper.keys import Key
from tapeline.sim.recording import Recording
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues.orders import OrderAsk, OrderRequest
from tapeline.venues.request import Request
from tapeline.wire.pipe import Pipe, Response

D = Decimal
KEYS = (
    Key(key="k", secret="s", account="one"),
    Key(key="k2", secret="s2", account="two", may_trade=False),
    Key(key="k3", secret="s3", account="one", addresses=("10.0.0.1",)),
)  # fmt: skip
TAPE = [
    toy_venue.snapshot(1, 0.0, [("99", "5")], [("100", "2"), ("101", "9")]),
    *(toy_venue.trade(number, at_s=number, price="100", size="0.5") for number in range(1, 40)),
]
URL = "ws://x/public"


def played(
    client: Callable[[SimulatedVenue], Coroutine[Any, Any, Any]], *, faults: Sequence[str] = (),
    keys: Sequence[Key] = KEYS, frames: Sequence[tuple[int, bytes]] = TAPE, keep_ns: int | None = None,
) -> Any:  # fmt: skip
    async def main() -> Any:
        source = Recording(toy.TRADING, [(at_ns, raw.replace(b'"toy:AB"', b'"toy:A/B"')) for at_ns, raw in frames])
        settings = PaperSettings(keys=keys, balances={"B": D(1000), "A": D(3)}, keep_ns=keep_ns)
        sim = SimulatedVenue(
            toy.TRADING, source, clock=VirtualClock(START_NS), speed=1.0, faults=[fault(one) for one in faults],
            paper=settings,
        )  # fmt: skip
        async with sim.open():
            return await client(sim)

    return run(main())


def buy(name: str, size: str = "1", price: str | None = None, *, of: Instrument = AB) -> OrderAsk:
    intent = Intent(
        instrument=of.id, side="buy", kind="market" if price is None else "limit", size=D(size),
        price=None if price is None else D(price),
    )  # fmt: skip
    return OrderAsk(call="place", instrument=of, client_id=name, intent=intent)


async def asked(sim: SimulatedVenue, ask: OrderAsk, key: str = "k", word: str = "s", peer: str = "") -> Any:
    """(status, body) of a REST call; the Silence where there is no answer."""
    found = await sim.answer(toy.request(ask, key, word), peer)
    return found if isinstance(found, Silence) else (found.status, msgspec.json.decode(found.body or b'""'))


async def started(sim: SimulatedVenue) -> None:
    """The tape runs once somebody has come: half a second of it has been played."""
    await asked(sim, OrderAsk(call="balances"))
    await asyncio.sleep(0.5)


async def heard(pipe: Pipe, within_s: float = 0.2) -> list[Any]:
    frames: list[bytes] = []
    try:
        async with asyncio.timeout(within_s):
            while True:
                frames += await pipe.receive()
    except TimeoutError:
        return [msgspec.json.decode(one) for one in frames if one.startswith(b"{")]


async def ended(pipe: Pipe) -> ConnectionLost:
    while True:
        try:
            await pipe.receive()
        except ConnectionLost as lost:
            return lost


def words(events: Sequence[Any]) -> list[str]:
    return [f"{one['type']} {one.get('state') or one.get('currency') or one.get('id')}" if "type" in one
            else next(iter(one)) for one in events]  # fmt: skip


def test_orders_by_rest_fill_on_the_market_that_is_played() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        status, told = await asked(sim, buy("x", "3"))
        assert (status, words(told)) == (200, ["fill 1", "fill 2", "order_update filled"])
        assert [one["price"] for one in told[:2]] == ["100", "101"]
        status, told = await asked(sim, OrderAsk(call="balances"))
        assert {one["currency"]: one["total"] for one in told} == {"B": "699", "A": "5.99700000"}
        assert words((await asked(sim, OrderAsk(call="order", client_id="x")))[1]) == ["order_update filled"]
        assert words((await asked(sim, OrderAsk(call="order", venue_id="1")))[1]) == ["order_update filled"]
        assert words((await asked(sim, OrderAsk(call="fills", client_id="x")))[1]) == ["fill 1", "fill 2"]
        assert words((await asked(sim, OrderAsk(call="closed_orders")))[1]) == ["order_update filled"]

    played(client)


def test_an_exchange_that_serves_for_weeks_keeps_what_is_over_for_its_time_and_no_longer() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        await asked(sim, buy("old", "1"))
        await asyncio.sleep(1800)
        await asked(sim, buy("rests", "1", "90"))
        await asked(sim, buy("young", "1"))
        await asyncio.sleep(1799)
        assert len((await asked(sim, OrderAsk(call="fills", instrument=AB)))[1]) == 2, "it is looked once an hour"
        await asyncio.sleep(2)
        assert [one["client_id"] for one in (await asked(sim, OrderAsk(call="fills", instrument=AB)))[1]] == ["young"]
        assert (await asked(sim, OrderAsk(call="order", client_id="old")))[1]["reason"] == "unknown_order"
        assert [one["client_id"] for one in (await asked(sim, OrderAsk(call="open_orders")))[1]] == ["rests"]

    later = [toy_venue.trade(number, at_s=number, price="100", size="0.5") for number in range(40, 4000, 100)]
    played(client, keep_ns=3000 * SECOND_NS, frames=[*TAPE, *later])


def test_a_resting_order_is_amended_cancelled_and_cancelled_with_all() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        await asked(sim, buy("x", "3", "98"))
        _, told = await asked(sim, OrderAsk(call="amend", venue_id="1", size=D(2)))
        assert (told[-1]["state"], told[-1]["size"]) == ("open", "2")
        _, told = await asked(sim, OrderAsk(call="open_orders", instrument=AB))
        assert [one["client_id"] for one in told] == ["x"]
        assert words((await asked(sim, OrderAsk(call="cancel", client_id="x")))[1]) == ["order_update cancelled"]
        assert await asked(sim, OrderAsk(call="cancel", client_id="x")) == (
            400, {"reason": "already_final", "text": "order 'x' is cancelled already"},
        )  # fmt: skip
        assert (await asked(sim, OrderAsk(call="cancel", venue_id="77")))[1]["reason"] == "unknown_order"
        await asked(sim, buy("y", "1", "98"))
        await asked(sim, buy("z", "1", "97"))
        assert len((await asked(sim, OrderAsk(call="cancel_all", venue_ids=("2", "9"))))[1]) == 1
        assert len((await asked(sim, OrderAsk(call="cancel_all")))[1]) == 1

    played(client)


def test_who_may_do_what_from_where_and_how_often() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        assert (await asked(sim, buy("x"), "k", "wrong"))[0] == 401
        assert (await asked(sim, buy("x"), "nobody"))[0] == 401
        assert (await asked(sim, buy("x"), "k2", "s2"))[1]["reason"] == "permission"
        assert (await asked(sim, OrderAsk(call="balances"), "k2", "s2"))[0] == 200
        assert (await asked(sim, buy("x"), "k3", "s3", peer="10.0.0.2"))[1]["reason"] == "address"
        assert (await asked(sim, buy("x"), "k3", "s3", peer="10.0.0.1"))[0] == 200
        assert (await asked(sim, buy("x")))[1]["reason"] == "duplicate"  # the same account
        for number in range(3):
            assert (await asked(sim, buy(f"y{number}", "1", "98")))[0] == 200
        response = await sim.answer(toy.request(buy("z", "1", "98")))
        assert isinstance(response, Response)
        assert (response.status, int(response.headers["retry-after"]) > 0) == (429, True)
        assert (await asked(sim, OrderAsk(call="open_orders")))[0] == 200  # draws on another budget
        await asyncio.sleep(11)
        assert (await asked(sim, buy("z", "1", "98")))[0] == 200

    played(client)


def test_calls_about_accounts_draw_on_the_weight_of_all_calls() -> None:
    async def client(sim: SimulatedVenue) -> None:
        statuses = [(await asked(sim, OrderAsk(call="balances")))[0] for _ in range(61)]
        assert statuses == [200] * 60 + [429]
        public = await sim.answer(OrderRequest(method="GET", path="/trades", query="native=AB"))
        assert isinstance(public, Response)
        assert public.status == 429

    played(client)


def test_a_private_stream_is_told_of_its_account_only() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        sign = toy.signature("s", b"login")
        async with sim.dial(URL) as pipe, sim.dial(URL) as stranger:
            await pipe.send(toy.frame("subscribe", channels=("orders",)))
            assert (await heard(pipe))[0]["reason"] == "AuthenticationRefused"
            await pipe.send(toy.frame("login", key="k", sign="00"))
            assert (await heard(pipe))[0]["reason"] == "AuthenticationRefused"
            await pipe.send(toy.frame("login", key="k", sign=sign))
            await pipe.send(toy.frame("subscribe", channels=("orders", "balances")))
            assert words(await heard(pipe)) == ["granted", "granted", "balance B", "balance A"]
            await stranger.send(toy.frame("login", key="k2", sign=toy.signature("s2", b"login")))
            await stranger.send(toy.frame("subscribe", channels=("orders", "balances", "positions")))
            assert len(await heard(stranger)) == 4
            await asked(sim, buy("x", "1"))
            told = ["order_update open", "fill 1", "order_update filled", "balance B", "balance A"]
            assert words(await heard(pipe)) == told
            assert await heard(stranger) == []
            await pipe.send(toy.frame("unsubscribe", channels=("balances",)))
            await heard(pipe)
            await asked(sim, buy("y", "1", "98"))
            assert words(await heard(pipe)) == ["order_update open"]

    played(client)


def test_orders_over_a_websocket_by_login_or_by_signature() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        sign = toy.signature("s", b"login")
        async with sim.dial(URL) as pipe:
            await pipe.send(toy.frame("call", id="7", ask=buy("x", "1", "98")))
            assert "log in first" in (await heard(pipe))[0]["error"]
            await pipe.send(toy.frame("call", id="8", ask=buy("x", "1", "98"), key="k", sign=sign))
            assert [(one["id"], words(one["told"])) for one in await heard(pipe)] == [("8", ["order_update open"])]
            await pipe.send(toy.frame("login", key="k", sign=sign))
            await pipe.send(toy.frame("call", id="9", ask=OrderAsk(call="cancel", client_id="x")))
            assert words((await heard(pipe))[-1]["told"]) == ["order_update cancelled"]
            await pipe.send(toy.frame("call", id="10", ask=OrderAsk(call="cancel", client_id="x")))
            assert "already_final" in (await heard(pipe))[-1]["error"]
            await pipe.send(toy_venue.subscribe("trades AB"))  # the public side works there too
            assert (await heard(pipe))[0]["op"] == "ok"

    played(client)


def test_a_listen_key_opens_a_stream_until_it_is_too_old_or_closed() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        (made,) = (await asked(sim, OrderAsk(call="listen_key")))[1]
        assert (await asked(sim, OrderAsk(call="listen_key")))[1] == [made]
        assert (await asked(sim, OrderAsk(call="listen_key_alive", listen_key="other")))[0] == 401
        async with sim.dial(f"ws://x/private/{made['key']}") as pipe:
            assert await heard(pipe) == []
            await asked(sim, buy("x", "1", "98"))
            assert words(await heard(pipe)) == ["order_update open", "balance B"]
            await asked(sim, OrderAsk(call="listen_key_close", listen_key=made["key"]))
            with pytest.raises(ConnectionLost, match="listen key was closed"):
                await pipe.receive()
        async with sim.dial(f"ws://x/private/{made['key']}") as pipe:
            with pytest.raises(ConnectionLost, match="does not exist"):
                await pipe.receive()

    played(client)


def test_the_market_fills_what_rests_and_timers_run_though_it_is_quiet() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        (made,) = (await asked(sim, OrderAsk(call="listen_key")))[1]
        async with sim.dial(f"ws://x/private/{made['key']}") as pipe:
            await asked(sim, buy("low", "1", "98"))
            await asked(sim, OrderAsk(call="dead_man", countdown_s=45))
            sale = Intent(instrument=AB.id, side="sell", kind="limit", size=D("0.7"), price=D("99.5"), post_only=True)
            await asked(sim, OrderAsk(call="place", client_id="sell", instrument=AB, intent=sale))
            told = words(await heard(pipe, 20))
            assert told.count("order_update filled") == 1
            assert told.count("order_update partly_filled") == 1
            assert words(await heard(pipe, 60)) == ["order_update cancelled", "balance B"]

    # Two trades of buyers reach the sale; the tape's last trade is at 39 s, the timer's end after it.
    frames = [*TAPE, toy_venue.trade(99, at_s=60, price="100")]
    played(client, frames=frames)


def test_the_account_is_set_up_by_calls() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        assert (await asked(sim, OrderAsk(call="mode")))[1][0]["hedge"] is False
        assert (await asked(sim, OrderAsk(call="position_mode", hedge=True)))[1][0]["hedge"] is True
        assert await asked(sim, OrderAsk(call="leverage", instrument=AB, leverage=D(3))) == (200, [])
        assert (await asked(sim, OrderAsk(call="leverage")))[1]["reason"] == "parameter"
        assert (await asked(sim, OrderAsk(call="place")))[1]["reason"] == "parameter"
        assert (await asked(sim, OrderAsk(call="levitate")))[1]["reason"] == "unsupported"
        assert (await asked(sim, OrderAsk(call="positions")))[1] == []
        assert (await asked(sim, OrderAsk(call="payments")))[1] == []

    played(client)


def test_paths_of_others_are_answered_as_before() -> None:
    async def client(sim: SimulatedVenue) -> None:
        for method, path, status in (
            ("GET", "/time", 200), ("GET", "/nothing", 404), ("POST", "/nothing", 404), ("GET", "/fixed", 200),
        ):  # fmt: skip
            found = await sim.answer(OrderRequest(method=method, path=path))
            assert isinstance(found, Response)
            assert found.status == status, path

    played(client)


# ---- faults


@pytest.mark.parametrize(
    ("kind", "carried_out"), [("order_timeout", True), ("order_lost", True), ("order_502", False), ("order_503", True)]
)
def test_an_order_call_that_goes_wrong(kind: str, carried_out: bool) -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        await asyncio.sleep(1)
        answers = {
            "order_timeout": Silence(held=True), "order_lost": Silence(held=False), "order_502": (502, ""),
            "order_503": (503, ""),
        }  # fmt: skip
        assert await asked(sim, OrderAsk(call="balances")) != answers[kind]
        assert await asked(sim, buy("x", "1", "98")) == answers[kind]
        assert (await asked(sim, OrderAsk(call="order", client_id="x")))[0] == (200 if carried_out else 400)
        assert (await asked(sim, buy("y", "1", "98")))[0] == 200

    played(client, faults=[f"{kind}@+1s"])


def test_an_order_call_too_many_is_refused_and_nothing_is_done() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        await asyncio.sleep(1)
        status, _ = await asked(sim, buy("x", "1", "98"))
        assert status == 429
        assert (await asked(sim, OrderAsk(call="order", client_id="x")))[0] == 400
        async with sim.dial(URL) as pipe:
            sign = toy.signature("s", b"login")
            await pipe.send(toy.frame("call", id="8", ask=buy("y", "1", "98"), key="k", sign=sign))
            assert words(await heard(pipe)) != ["told"]
        assert (await asked(sim, OrderAsk(call="order", client_id="y")))[0] == 400
        await asyncio.sleep(6)
        assert (await asked(sim, buy("z", "1", "98")))[0] == 200

    played(client, faults=["order_429@+1s+5s:5"])


def test_maintenance_answers_nobody() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        await asyncio.sleep(1)
        assert (await asked(sim, OrderAsk(call="balances")))[0] == 503
        await asyncio.sleep(6)
        assert (await asked(sim, OrderAsk(call="balances")))[0] == 200

    played(client, faults=["down@+1s+5s"])


def test_what_no_call_does_is_told_too() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        assert sim.paper is not None
        paper, account = sim.paper, "one"
        async with sim.dial(URL) as pipe:
            sign = toy.signature("s", b"login")
            await pipe.send(toy.frame("subscribe", channels=("orders",), key="k", sign=sign))
            await heard(pipe)
            assert (await asked(sim, buy("x", "1", "98")))[0] == 200
            await heard(pipe)
            paper.by_hand(lambda exchange, now_ns: exchange.end(account, "x", now_ns))
            assert words(await heard(pipe)) == ["order_update expired"]
            with pytest.raises(OrderRefused):
                paper.by_hand(lambda exchange, now_ns: exchange.end(account, "x", now_ns))
        paper.permit(account, may_trade=False)
        assert (await asked(sim, buy("y", "1", "98")))[0] != 200
        paper.permit(account, may_trade=True)
        assert (await asked(sim, buy("y", "1", "98")))[0] == 200

    played(client)


def test_a_call_that_is_lost_in_memory_is_lost_as_over_a_network() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        await asyncio.sleep(2)
        for name, error in (("x", ConnectionLost), ("y", TimedOut)):
            sent = toy.request(buy(name, "1", "98"))
            request = Request("POST", "/account", headers=tuple(sent.headers.items()), body=sent.body)
            with pytest.raises(error):
                await sim.fetch("https://toy.example", request)

    played(client, faults=["order_lost@+1s", "order_timeout@+2s"])


def test_an_answer_may_come_long_after_the_fill() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        await asyncio.sleep(1)
        (made,) = (await asked(sim, OrderAsk(call="listen_key")))[1]
        async with sim.dial(f"ws://x/private/{made['key']}") as pipe:
            task = asyncio.ensure_future(asked(sim, buy("x", "1")))
            assert "fill 1" in words(await heard(pipe))
            assert not task.done()
            assert (await task)[0] == 200

    played(client, faults=["order_slow@+1s:5"])


@pytest.mark.parametrize(
    ("kind", "told"),
    [("fill_twice", ["order_update open"] * 2 + ["fill 1"] * 2 + ["order_update filled"] * 2),
     ("told_shuffled", ["order_update filled", "fill 1", "order_update open"]), ("told_lost", [])],
)  # fmt: skip
def test_what_is_told_may_come_twice_in_disorder_or_not(kind: str, told: list[str]) -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        await asyncio.sleep(1)
        async with sim.dial(URL) as pipe:
            sign = toy.signature("s", b"login")
            await pipe.send(toy.frame("subscribe", channels=("orders",), key="k", sign=sign))
            await heard(pipe)
            await asked(sim, buy("x", "1"))
            assert words(await heard(pipe)) == told
            await asked(sim, OrderAsk(call="cancel_all"))
            await asked(sim, buy("y", "1", "98"))
            assert words(await heard(pipe)) == ["order_update open"]

    played(client, faults=[f"{kind}@+1s"])


@pytest.mark.parametrize(
    ("kind", "answers"), [("order_timeout", []), ("order_503", []), ("order_lost", None), ("order_slow", ["told"])]
)
def test_order_entry_over_a_websocket_goes_wrong_too(kind: str, answers: list[str] | None) -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        await asyncio.sleep(1)
        async with sim.dial(URL) as pipe:
            sign = toy.signature("s", b"login")
            await pipe.send(toy.frame("call", id="8", ask=buy("x", "1", "98"), key="k", sign=sign))
            if answers is None:
                with pytest.raises(ConnectionLost):
                    await pipe.receive()
            else:
                assert [next(name for name in one if name != "id") for one in await heard(pipe)] == answers
        assert (await asked(sim, OrderAsk(call="order", client_id="x")))[0] == 200

    played(client, faults=[f"{kind}@+1s"])


def test_a_ban_strikes_order_calls_too() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        await asyncio.sleep(1)
        found = await sim.answer(toy.request(buy("x")))
        assert isinstance(found, Response)
        assert (found.status, found.headers["retry-after"]) == (418, "120")

    played(client, faults=["ban@+1s"])


def test_a_cut_takes_nothing_from_the_market_of_the_exchange() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        async with sim.dial(URL) as pipe:
            await pipe.send(toy_venue.subscribe("trades AB"))
            await asked(sim, buy("x", "1", "99.5"))
            assert (await ended(pipe)).code is None
        assert (await asked(sim, OrderAsk(call="order", client_id="x")))[1][0]["state"] == "filled"

    lost = [toy_venue.trade(2, at_s=3, price="99", size="5", side="sell")]
    played(client, faults=["cut@+2s+5s"], frames=[*TAPE[:2], *lost, toy_venue.trade(3, at_s=30, price="100")])


def test_a_venue_without_orders_has_no_paper_exchange() -> None:
    async def main() -> None:
        source = Recording(toy_venue.TOY, TAPE)
        SimulatedVenue(toy_venue.TOY, source, clock=VirtualClock(START_NS), paper=PaperSettings(keys=KEYS))

    with pytest.raises(ConfigError, match="takes no orders here yet"):
        run(main())


def test_times_are_the_tapes() -> None:
    async def client(sim: SimulatedVenue) -> None:
        await started(sim)
        (told,) = (await asked(sim, buy("x", "1", "98")))[1]
        assert told["at_ns"] == START_NS + SECOND_NS // 2

    played(client)
