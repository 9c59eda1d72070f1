import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from order_stage import (
    ACCOUNT,
    BUY,
    CREDENTIALS,
    IDS,
    KEY,
    ORDERS,
    SECOND_NS,
    SECRET,
    TOY,
    A,
    Exchange,
    Said,
    hmac_of,
    ok,
    order,
    signed_rest,
)
from wire_fakes import LIMITS, START_NS

from tapeline.errors import (
    AuthenticationRefused,
    BadData,
    ClockWrong,
    ConnectionLost,
    OrderRefused,
    OutcomeUnknown,
    RateLimited,
    Retry,
    TapelineError,
    TimedOut,
    Unsent,
)
from tapeline.model.account import OrderUpdate
from tapeline.sim.loop import VirtualClock, run
from tapeline.venues.orders import OrderAsk
from tapeline.venues.spec import Allowance, Request
from tapeline.wire.pipe import Response
from tapeline.wire.private.signed import CLOCK_OLD_S, TURN_S, SignedRest, unsure

PLACE = OrderAsk(call="place", account=ACCOUNT, instrument=A, client_id="t1", intent=BUY)
QUERY = OrderAsk(call="order", account=ACCOUNT, instrument=A, client_id="t1")


def calling(
    act: Callable[[SignedRest, Exchange], Awaitable[None]], *, said: dict[str, list[Said]] | None = None,
    **options: Any,
) -> None:  # fmt: skip
    async def main() -> None:
        clock = VirtualClock(options.pop("ours_ns", START_NS))
        venue, orders = options.pop("venue", TOY), options.pop("orders", ORDERS)
        exchange = Exchange(clock, said or {}, **options)
        await act(signed_rest(exchange, venue=venue, orders=orders), exchange)

    run(main())


def stamp_of(request: Request) -> int:
    return int(dict(request.query)["stamp"])


def test_a_call_is_signed_with_the_key_and_answered() -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        (update,) = await rest.call(PLACE, IDS)
        assert isinstance(update, OrderUpdate)
        assert (update.instrument, update.client_id, update.venue_id, update.state) == (A.id, "t1", "vt1", "open")
        assert (update.source, update.account) == ("rest", ACCOUNT)
        assert exchange.paths() == ["/time", "/place"]
        request = exchange.asked[1][1]
        assert request.headers == (("toy-key", KEY),)
        text = "&".join(f"{name}={value}" for name, value in request.query[:-1])
        assert request.query[-1] == ("signature", hmac_of(SECRET)(text.encode()).hex())

    calling(act, said={"place": [ok(order("t1"))]})


@pytest.mark.parametrize("ours_s", [-600, 600, 10**8])
def test_a_local_clock_that_is_wrong_signs_with_the_venues(ours_s: int) -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        await rest.call(PLACE, IDS)
        assert stamp_of(exchange.asked[-1][1]) == START_NS
        exchange.clock.step(3600)
        await asyncio.sleep(7)
        await rest.call(QUERY, IDS)
        assert stamp_of(exchange.asked[-1][1]) == START_NS + 7 * SECOND_NS

    calling(act, ours_ns=START_NS + ours_s * SECOND_NS)


def test_half_the_round_trip_is_added() -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        await rest.call(QUERY, IDS)
        assert stamp_of(exchange.asked[-1][1]) == START_NS + round(0.3 * SECOND_NS) + round(0.1 * SECOND_NS)

    calling(act, takes_s=0.2, said={"time": [ok({"time": START_NS + round(0.3 * SECOND_NS)})]})


def test_the_clock_is_read_again_once_it_is_old_and_the_old_reading_serves_where_it_cannot_be() -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        await rest.call(QUERY, IDS)
        await asyncio.sleep(CLOCK_OLD_S)
        await rest.call(QUERY, IDS)
        assert exchange.paths() == ["/time", "/order", "/order"]
        await asyncio.sleep(1)
        await rest.call(QUERY, IDS)
        assert exchange.paths()[3:] == ["/time", "/order"]
        await asyncio.sleep(CLOCK_OLD_S + 1)
        exchange.said["time"] = [TimedOut("late")]
        await rest.call(QUERY, IDS)
        assert exchange.paths()[5:] == ["/time", "/order"]
        assert stamp_of(exchange.asked[-1][1]) == START_NS + round((2 * CLOCK_OLD_S + 2) * SECOND_NS)

    calling(act)


def test_nothing_is_signed_before_the_clock_is_known() -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        with pytest.raises(Unsent, match="clock could not be read"):
            await rest.call(PLACE, IDS)
        assert exchange.paths() == ["/time"]
        with pytest.raises(AssertionError, match="know_clock"):
            rest.stamp_ns()

    calling(act, said={"time": [ConnectionLost("no route")]})


def test_the_clock_is_read_once_for_all_that_wait_for_it() -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        await asyncio.gather(*(rest.call(QUERY, IDS) for _ in range(3)))
        assert exchange.paths() == ["/time", "/order", "/order", "/order"]

    calling(act, takes_s=0.1)


def test_a_stamp_refused_has_the_clock_read_and_is_sent_once_more() -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        sent: list[float] = []
        await rest.know_clock()
        exchange.off_s = 90.0  # the machine was asleep
        (update,) = await rest.call(PLACE, IDS, sent=lambda: sent.append(exchange.clock.now()))
        assert isinstance(update, OrderUpdate)
        assert exchange.paths() == ["/time", "/place", "/time", "/place"]
        assert stamp_of(exchange.asked[-1][1]) == START_NS + 90 * SECOND_NS
        assert len(sent) == 2

    calling(act, said={"place": [ok({"code": "stamp"}), ok(order("t1"))]})


def test_a_stamp_refused_twice_is_told_and_nothing_was_done() -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        with pytest.raises(ClockWrong):
            await rest.call(PLACE, IDS)
        assert exchange.paths() == ["/time", "/place", "/time", "/place"]
        exchange.said["time"] = [TimedOut("late")]
        with pytest.raises(ClockWrong):
            await rest.call(PLACE, IDS)
        assert exchange.paths()[4:] == ["/place", "/time"]

    calling(act, said={"place": [ok({"code": "stamp"})]})


AMBIGUOUS: list[Said] = [
    TimedOut("no answer within 10 s"), ConnectionLost("cut"), ok({"code": "maybe"}), ok(order("t1"), 500),
    ok({"code": "balance"}, 502), Response(503, {}, b"<html>busy"), Response(200, {}, b"<html>"),
    Response(403, {}, b"<html>"), ok(order("t1"), 409),
]  # fmt: skip


@pytest.mark.parametrize("said", AMBIGUOUS)
@pytest.mark.parametrize("call", ["place", "amend", "cancel", "cancel_all"])
def test_what_may_have_been_done_is_never_sent_again(call: str, said: Said) -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        with pytest.raises(OutcomeUnknown) as told:
            await rest.call(replace_call(PLACE, call), IDS)
        assert exchange.paths() == ["/time", "/" + call]
        assert unsure(told.value)

    calling(act, said={call: [said]})


def replace_call(ask: OrderAsk, call: str) -> OrderAsk:
    return OrderAsk(call=call, account=ask.account, instrument=ask.instrument, client_id=ask.client_id)


@pytest.mark.parametrize("said", [*AMBIGUOUS[:2], ok(order("t1"), 500), Response(503, {}, b"<html>busy"),
                                  Unsent("refused")])  # fmt: skip
def test_what_only_reads_is_asked_again(said: Said) -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        (update,) = await rest.call(QUERY, IDS)
        assert isinstance(update, OrderUpdate)
        assert exchange.paths() == ["/time", "/order", "/order", "/order"]
        assert asyncio.get_running_loop().time() == 1.0

    calling(act, said={"order": [said, said, ok(order("t1"))]})


def test_a_read_gives_up_in_the_end() -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        with pytest.raises(TimedOut):
            await rest.call(QUERY, IDS)
        assert exchange.paths() == ["/time", *["/order"] * 4]

    calling(act, said={"order": [TimedOut("late")]})


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (ok({"code": "balance"}, 400), OrderRefused),
        (ok({"code": "key"}, 401), AuthenticationRefused),
        (ok({"code": "busy", "after_s": 2.0}), RateLimited),
        (Response(429, {}, b"slow down"), RateLimited),
        (Response(418, {"retry-after": "600"}, b"teapot"), RateLimited),
        (Unsent("connection refused"), Unsent),
    ],
)
def test_a_definite_no_is_told_as_such(said: Said, error: type[TapelineError]) -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        with pytest.raises(error) as told:
            await rest.call(PLACE, IDS)
        assert not unsure(told.value)
        assert exchange.paths() == ["/time", "/place"]

    calling(act, said={"place": [said]})


def test_a_ban_is_everybodys() -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        for _ in range(2):
            with pytest.raises(RateLimited):
                await rest.call(PLACE, IDS)
        assert exchange.paths() == ["/time", "/place"]
        await asyncio.sleep(600)
        exchange.said = {}
        assert await rest.call(PLACE, IDS) == []

    calling(act, said={"place": [Response(418, {"retry-after": "600"}, b"teapot")]})


def test_an_order_does_not_wait_for_its_turn_for_long() -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        await rest.call(QUERY, IDS)
        sent: list[str] = []
        with pytest.raises(Unsent, match="left no room"):
            await rest.call(PLACE, IDS, sent=lambda: sent.append("left"))
        assert asyncio.get_running_loop().time() == TURN_S
        assert (sent, exchange.paths()) == ([], ["/time", "/order"])
        with pytest.raises(Unsent):
            await rest.turn(PLACE)
        await rest.call(replace_call(PLACE, "cancel"), IDS)  # a cancel waits as long as it takes
        assert exchange.paths()[-1] == "/cancel"

    calling(act, venue=replace(TOY, limits=replace(LIMITS, rest=(Allowance(weight=6, window_s=60),))))


def test_a_call_with_the_key_alone_and_an_open_one_need_no_clock() -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        await rest.call(OrderAsk(call="listen_key"), IDS)
        assert exchange.asked[0][1].headers == (("toy-key", KEY),)
        assert exchange.paths() == ["/listen_key"]

    calling(act, said={"listen_key": [ok({"listen": "abc"})]})

    async def main() -> None:
        exchange = Exchange(VirtualClock(START_NS))
        opened = {"mode": replace(ORDERS.calls["mode"], signed="open")}
        rest = signed_rest(exchange, orders=replace(ORDERS, calls=opened))
        await rest.call(OrderAsk(call="mode"), IDS)
        assert exchange.asked[0][1] == Request("GET", "/mode")

    run(main())


def test_answers_that_came_over_a_socket_are_read_the_same_way() -> None:
    async def act(rest: SignedRest, _exchange: Exchange) -> None:
        (update,) = rest.read(PLACE, IDS, 200, json.dumps(order("t1")).encode())
        assert isinstance(update, OrderUpdate)
        with pytest.raises(OutcomeUnknown):
            rest.read(PLACE, IDS, 200, b"<")
        with pytest.raises(BadData):
            rest.read(QUERY, IDS, 200, b"<")
        with pytest.raises(OrderRefused):
            rest.read(PLACE, IDS, 400, b'{"code": "balance"}')

    calling(act)


def test_a_list_is_read_to_its_end_whatever_parts_and_pages_it_comes_in() -> None:
    async def act(rest: SignedRest, exchange: Exchange) -> None:
        found = await rest.listed(OrderAsk(call="fills"), IDS)
        assert [each.client_id for each in found if isinstance(each, OrderUpdate)] == ["t1", "t2", "t3"]
        asked = [dict(request.query) for _, request in exchange.asked[1:]]
        assert [(each.get("part"), each.get("from")) for each in asked] == [("x", None), ("x", "t1"), ("y", None)]
        exchange.said["fills"] = [ok(["again"])]
        with pytest.raises(AssertionError, match="place is a command"):
            await rest.listed(PLACE, IDS)

    def following(ask: OrderAsk, body: bytes) -> OrderAsk | None:
        return OrderAsk(call="fills", part=ask.part, from_id="t1") if b"more" in body else None

    first: Any = [order("t1", why="more")]
    pages: list[Said] = [ok(first), ok([order("t2")]), ok([order("t3")])]
    paged = replace(ORDERS.calls["fills"], parts=("x", "y"), next=following)
    calling(act, said={"fills": pages}, orders=replace(ORDERS, calls={**ORDERS.calls, "fills": paged}))


def test_a_list_without_an_end_is_no_list() -> None:
    async def act(rest: SignedRest, _exchange: Exchange) -> None:
        with pytest.raises(BadData, match="no end after 1000 pages"):
            await rest.listed(OrderAsk(call="fills"), IDS)

    endless = replace(ORDERS.calls["fills"], next=lambda ask, _body: ask)
    calling(act, orders=replace(ORDERS, calls={**ORDERS.calls, "fills": endless}))


def test_no_message_shows_a_key() -> None:
    async def act(rest: SignedRest, _exchange: Exchange) -> None:
        with pytest.raises(Retry) as told:
            await rest.call(PLACE, IDS)
        for text in (str(told.value), repr(told.value), repr(CREDENTIALS), repr(rest.credentials)):
            assert KEY not in text
            assert SECRET not in text

    calling(act, said={"place": [TimedOut("late")]})
