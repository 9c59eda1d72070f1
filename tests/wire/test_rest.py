import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import pytest
from wire_fakes import LIMITS, START_NS, TOY, trade

from tapeline.errors import BadData, ConnectionLost, RateLimited, Refused, TapelineError, TimedOut
from tapeline.sim.loop import VirtualClock, run
from tapeline.venues.spec import Answer, Ask, Request, RestCall, ServerTime
from tapeline.wire.pace import backoff
from tapeline.wire.pipe import Response
from tapeline.wire.rest import LIMITED_S, MOST_WAIT_S, Rest, real_fetch


def _build(ask: Ask) -> Request:
    return Request("GET", "/" + ask.call, (("symbol", ask.native),) if ask.native else (), weight=5)


def _parse(body: bytes, _ask: Ask, ids: Mapping[str, str], received_ns: int) -> Sequence[Answer]:
    try:
        said = json.loads(body)
    except ValueError as error:
        raise BadData(f"not JSON: {body[:20]!r}", kind="bad_json") from error
    if isinstance(said, dict) and "code" in said:
        raise Refused(said["msg"], code=str(said["code"]))
    if isinstance(said, dict):
        return [ServerTime(said["time"])] if "time" in said else []
    return [trade(seq, received_ns=received_ns, name=ids["A"]) for seq in said]


CALL = RestCall(build=_build, parse=_parse)
VENUE = replace(TOY, rest={"time": CALL, "trades": CALL})
ASK, IDS = Ask("trades", "A"), {"A": "toy:A/X"}


@dataclass
class Answers:
    """What the network says, in turn; the last for ever."""

    said: list[Response | Exception]
    takes_s: float = 0.0
    asked: list[tuple[float, str]] = field(default_factory=list)

    async def __call__(self, base_url: str, request: Request) -> Response:
        self.asked.append((asyncio.get_running_loop().time(), base_url + request.path))
        await asyncio.sleep(self.takes_s)
        one = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(one, Exception):
            raise one
        return one


def ok(body: Any) -> Response:
    return Response(200, {}, json.dumps(body).encode())


def status(code: int, body: bytes = b"", **headers: str) -> Response:
    return Response(code, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def ceilings() -> Iterator[float]:
    return backoff(1.0, 60.0, lambda: 1.0)


def asking(
    *said: Response | Exception, act: Callable[[Rest, Answers], Awaitable[None]], takes_s: float = 0.0,
    weight_per_s: float = 1.0, **options: Any,
) -> None:  # fmt: skip
    async def main() -> None:
        answers = Answers(list(said), takes_s)
        venue = replace(VENUE, limits=replace(LIMITS, rest_weight_per_s=weight_per_s))
        rest = Rest(venue, "https://toy", fetch=answers, clock=VirtualClock(START_NS), delays=ceilings, **options)
        await act(rest, answers)

    run(main())


def test_an_answer_comes_back_as_events_and_is_told_for_the_tape() -> None:
    tape: list[tuple[str, str, bytes, int]] = []

    async def act(rest: Rest, answers: Answers) -> None:
        assert await rest.call(ASK, IDS) == [trade(7, received_ns=START_NS), trade(8, received_ns=START_NS)]
        assert answers.asked == [(0.0, "https://toy/trades")]
        assert tape == [("GET", "https://toy/trades?symbol=A", b"[7, 8]", START_NS)]
        assert (rest.requests, rest.limited) == (1, 0)

    asking(ok([7, 8]), act=act, answered=lambda method, url, said, at_ns: tape.append((method, url, said.body, at_ns)))


def test_what_is_transient_is_asked_again_after_a_back_off() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        assert await rest.call(ASK, IDS) == [trade(1, received_ns=START_NS + 3_000_000_000)]
        assert [at for at, _ in answers.asked] == [0.0, 0.0, 1.0, 3.0]

    asking(TimedOut("late"), ConnectionLost("cut"), status(503, b"busy"), ok([1]), act=act, weight_per_s=100.0)


def test_after_so_many_attempts_the_last_trouble_is_raised() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        with pytest.raises(ConnectionLost, match="toy trades: HTTP 502: b'bad gateway'"):
            await rest.call(ASK, IDS)
        assert len(answers.asked) == 2

    asking(status(502, b"bad gateway"), act=act, attempts=2)


@pytest.mark.parametrize(("code", "header", "waited"), [(429, "30", 30.0), (418, "7", 7.0), (429, "soon", LIMITED_S)])
def test_a_limit_silences_every_caller_for_as_long_as_the_venue_asked(code: int, header: str, waited: float) -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(rest.call(ASK, IDS))
            await asyncio.sleep(1)
            second = tasks.create_task(rest.call(ASK, IDS))
        assert [event.seq for event in first.result()] == [1]  # type: ignore[union-attr]  # trades
        assert [event.seq for event in second.result()] == [1]  # type: ignore[union-attr]
        assert [at for at, _ in answers.asked] == [0.0, waited, waited]
        assert rest.limited == 1

    asking(status(code, retry_after=header), ok([1]), act=act)


def test_a_ban_is_not_waited_for_it_is_told() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        for _ in range(2):
            with pytest.raises(RateLimited) as told:
                await rest.call(ASK, IDS)
            assert (told.value.after_s or 0) > MOST_WAIT_S
        assert asyncio.get_running_loop().time() == 0.0
        assert len(answers.asked) == 1  # the second call did not even ask
        await asyncio.sleep(7200)
        assert await rest.call(ASK, IDS) == [trade(1, received_ns=START_NS + 7200 * 10**9)]

    asking(status(418, retry_after="7200"), ok([1]), act=act)


def test_callers_that_wait_together_keep_the_budget() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(6):
                tasks.create_task(rest.call(ASK, IDS))
        # 10 saved up pay for two requests of weight 5, then one each 5 s
        assert [round(at, 2) for at, _ in answers.asked] == [0.0, 0.0, 5.0, 10.0, 15.0, 20.0]

    asking(ok([1]), act=act)


def test_a_request_dearer_than_the_budget_can_save_still_goes_out() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        await rest._turn(1e9)
        await rest._turn(1e9)
        assert asyncio.get_running_loop().time() == 10.0
        assert answers.asked == []

    asking(ok([]), act=act)


@pytest.mark.parametrize(
    ("said", "error", "text"),
    [
        (status(400, b'{"code": -1121, "msg": "Invalid symbol."}'), Refused, "Invalid symbol."),
        (ok({"code": 51001, "msg": "Instrument ID does not exist"}), Refused, "does not exist"),
        (status(403, b"<html>forbidden</html>"), Refused, "HTTP 403: b'<html>"),
        (status(451, b"[]"), Refused, "HTTP 451"),
        (status(302, b"moved"), Refused, "HTTP 302"),
        (status(200, b"<html>"), BadData, "not JSON"),
    ],
)
def test_what_will_not_get_better_is_raised_at_once(said: Response, error: type[TapelineError], text: str) -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        with pytest.raises(error, match=text):
            await rest.call(ASK, IDS)
        assert len(answers.asked) == 1

    asking(said, act=act)


def test_the_venues_code_of_a_refusal_survives() -> None:
    async def act(rest: Rest, _answers: Answers) -> None:
        with pytest.raises(Refused) as told:
            await rest.call(ASK, IDS)
        assert told.value.code == "-1121"

    asking(status(400, b'{"code": -1121, "msg": "Invalid symbol."}'), act=act)


def test_server_time_is_measured_around_the_request_alone() -> None:
    async def act(rest: Rest, _answers: Answers) -> None:
        assert await rest.server_time() == (0.0, 123, 0.25)
        await rest.call(ASK, IDS)  # the budget is used up: the next has to wait for its turn
        before, at_ns, after = await rest.server_time()
        assert (at_ns, round(after - before, 9)) == (123, 0.25)
        assert before >= 5.0

    asking(ok({"time": 123}), act=act, takes_s=0.25)


def test_a_time_answer_without_a_time() -> None:
    async def act(rest: Rest, _answers: Answers) -> None:
        with pytest.raises(BadData, match="holds no time"):
            await rest.server_time()

    asking(ok({}), act=act)


# ---- the network side, without a network -------------------------------------------------------------------------


def fetching(handler: Callable[[httpx2.Request], httpx2.Response], within_s: float = 10.0) -> Response:
    async def main() -> Response:
        fetch, client = real_fetch(within_s=within_s)
        client._transport = httpx2.MockTransport(handler)
        client._mounts = {}
        async with client:
            return await fetch("https://toy/", Request("GET", "/trades", (("symbol", "A"), ("limit", "5"))))

    return asyncio.run(main())


def test_fetch_asks_with_the_query_and_lowers_the_headers() -> None:
    asked: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(429, headers={"Retry-After": "3"}, content=b"slow down")

    said = fetching(handler)
    assert asked == ["https://toy/trades?symbol=A&limit=5"]
    assert (said.status, said.headers["retry-after"], said.body) == (429, "3", b"slow down")


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (httpx2.ConnectError("refused"), ConnectionLost),
        (httpx2.ReadTimeout("late"), TimedOut),
        (OSError("no route"), ConnectionLost),
        (httpx2.InvalidURL("what"), ConnectionLost),
    ],
)
def test_fetch_raises_only_our_own_errors(trouble: Exception, error: type[TapelineError]) -> None:
    def handler(_request: httpx2.Request) -> httpx2.Response:
        raise trouble

    with pytest.raises(error, match="https://toy/trades"):
        fetching(handler)
