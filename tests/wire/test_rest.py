import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import pytest
from wire_fakes import LIMITS, START_NS, TOY, trade

from tapeline.errors import (
    BadData,
    ClockWrong,
    ConnectionLost,
    RateLimited,
    Refused,
    Retry,
    TapelineError,
    TimedOut,
)
from tapeline.sim.loop import VirtualClock, run
from tapeline.venues.spec import Allowance, Answer, Ask, Priority, Request, RestCall, ServerTime
from tapeline.wire.pace import JITTER_S, backoff
from tapeline.wire.pipe import Response
from tapeline.wire.rest import CLOCK_GOOD_S, LIMITED_S, MOST_WAIT_S, Rest, real_fetch

BUILT: list[Ask] = []


def _build(ask: Ask) -> Request:
    BUILT.append(ask)
    return Request("GET", "/" + ask.call, (("symbol", ask.native),) if ask.native else (), weight=5)


def _parse(body: bytes, _ask: Ask, ids: Mapping[str, str], received_ns: int) -> Sequence[Answer]:
    try:
        said = json.loads(body)
    except ValueError as error:
        raise BadData(f"not JSON: {body[:20]!r}", kind="bad_json") from error
    if isinstance(said, dict) and said.get("code") == -1003:
        raise RateLimited(said["msg"], after_s=said.get("after_s"))
    if isinstance(said, dict) and said.get("code") == -1021:
        raise ClockWrong(said["msg"])
    if isinstance(said, dict) and said.get("code") == -1000:
        raise Retry(said["msg"])
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
    weight: float = 1000.0, **options: Any,
) -> None:  # fmt: skip
    async def main() -> None:
        answers = Answers(list(said), takes_s)
        allowance = Allowance(weight=weight, window_s=10, fixed=True, used="x-used")
        venue = replace(VENUE, limits=replace(LIMITS, rest=(allowance,)))
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

    asking(TimedOut("late"), ConnectionLost("cut"), status(503, b"busy"), ok([1]), act=act)


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
        # two of weight 5 in any ten seconds
        assert [round(at, 1) for at, _ in answers.asked] == [0.0, 0.0, 10.1, 10.1, 20.2, 20.2]
        assert rest.used() == {"weight": (10.0, 11.0)}

    asking(ok([1]), act=act, weight=11.0)


def test_who_is_more_urgent_goes_first_whoever_came_first() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        asked: list[str] = []

        async def one(name: str, priority: Priority) -> None:
            await rest.call(ASK, IDS, priority=priority)
            asked.append(name)

        async with asyncio.TaskGroup() as tasks:
            for name, priority in (
                ("first", Priority.AUDIT), ("audit", Priority.AUDIT), ("backfill", Priority.BACKFILL),
                ("repair", Priority.REPAIRS), ("order", Priority.ORDERS), ("late repair", Priority.REPAIRS),
            ):  # fmt: skip
                tasks.create_task(one(name, priority))
                await asyncio.sleep(0)
        assert asked == ["first", "order", "repair", "late repair", "backfill", "audit"]
        assert answers.asked[0][0] == 0.0

    asking(ok([1]), act=act, weight=5.0)


def test_a_caller_that_is_cancelled_leaves_the_line() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        await rest.call(ASK, IDS)
        waiting = [asyncio.create_task(rest.call(ASK, IDS)) for _ in range(2)]
        await asyncio.sleep(1)
        waiting[0].cancel()
        await waiting[1]
        assert [round(at, 1) for at, _ in answers.asked] == [0.0, 10.1]

    asking(ok([1]), act=act, weight=6.0)


def test_a_request_dearer_than_the_budget_still_goes_out() -> None:
    async def act(rest: Rest, _answers: Answers) -> None:
        for _ in range(2):
            await rest._turn(Request("GET", "/", weight=10**9), Priority.REPAIRS)
        assert asyncio.get_running_loop().time() == 10.0 + JITTER_S

    asking(ok([]), act=act)


def test_what_the_venue_says_is_used_holds_us_back_until_its_minute_is_over() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        await rest.server_time()
        await asyncio.sleep(3)
        await rest.call(ASK, IDS)
        # its clock shows 7 s of a window of ten: three are left, and one for what we do not know of its clock
        await rest.call(ASK, IDS)
        assert [round(at, 1) for at, _ in answers.asked] == [0.0, 3.0, 7.0]

    said = status(200, b"[1]", x_used="998")
    asking(ok({"time": START_NS + 4 * 10**9}), said, ok([1]), act=act)


# ---- limits and bans ----------------------------------------------------------------------------------------------


@dataclass
class Shared:
    """What other processes have done."""

    silent: float = 0.0
    full: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    taken: list[tuple[str, float, float]] = field(default_factory=list)

    def take(self, allowance: Allowance, cost: float, most: float) -> tuple[float, float]:
        self.taken.append((allowance.name, cost, most))
        silent, self.silent = self.silent, 0.0
        return silent, self.full.pop(0) if self.full and not silent else 0.0

    def silence(self, for_s: float) -> None:
        self.told.append(for_s)


def test_other_processes_budget_and_silence_hold_us_back() -> None:
    shared = Shared(silent=7.0, full=[2.0, 1.0])

    async def act(rest: Rest, answers: Answers) -> None:
        await rest.call(ASK, IDS, priority=Priority.ORDERS)
        assert [at for at, _ in answers.asked] == [10.0]
        assert rest.silent_s() == 0.0
        assert shared.taken == [("weight", 5.0, 1000.0)] * 4

    asking(ok([1]), act=act, shared=shared)


def test_a_ban_of_another_process_is_told_not_waited_for() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        with pytest.raises(RateLimited, match="3600 s of silence"):
            await rest.call(ASK, IDS)
        assert (answers.asked, rest.silent_s()) == ([], 3600.0)

    asking(ok([1]), act=act, shared=Shared(silent=3600.0))


@pytest.mark.parametrize(
    ("said", "waited"),
    [
        (ok({"code": -1003, "msg": "slow"}), LIMITED_S),
        (ok({"code": -1003, "msg": "slow", "after_s": 3.0}), 3.0),
        (status(400, b'{"code": -1003, "msg": "slow"}', retry_after="4"), 4.0),
        (status(418, b'{"code": -1003, "msg": "banned", "after_s": 55.0}'), 55.0),
        (status(418, b"teapot"), 120.0),
        (status(429, b'{"code": 7, "msg": "slow"}'), 10.0),
        (status(429, b"[1]"), 10.0),
    ],
)
def test_too_many_requests_is_obeyed_however_it_is_said(said: Response, waited: float) -> None:
    shared = Shared()

    async def act(rest: Rest, answers: Answers) -> None:
        assert len(await rest.call(ASK, IDS)) == 1
        assert [at for at, _ in answers.asked] == [0.0, waited]
        assert shared.told == [waited]

    asking(said, ok([1]), act=act, shared=shared)


def test_a_limit_without_a_number_is_longer_each_time_but_counts_once_for_what_was_under_way() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        for each in await asyncio.gather(*(rest.call(ASK, IDS) for _ in range(2)), return_exceptions=True):
            assert isinstance(each, RateLimited)
        times = sorted({round(at) for at, _ in answers.asked})
        assert times == [0, 10, 30, 70]

    asking(status(429, b"slow"), act=act, takes_s=0.001)


def test_a_stamp_refused_has_the_clock_read_and_is_tried_once_more() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        assert len(await rest.call(ASK, IDS)) == 1
        assert [path for _, path in answers.asked] == ["https://toy/trades", "https://toy/time", "https://toy/trades"]

    asking(ok({"code": -1021, "msg": "stamp"}), ok({"time": 5}), ok([1]), act=act)


@pytest.mark.parametrize("attempts", [1, 4])
def test_a_stamp_refused_twice_is_told(attempts: int) -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        with pytest.raises(ClockWrong):
            await rest.call(ASK, IDS)
        assert len(answers.asked) == 2 + (attempts > 1)

    wrong = ok({"code": -1021, "msg": "stamp"})
    asking(wrong, ok({"time": 5}), wrong, act=act, attempts=attempts)


def test_a_body_of_an_error_inside_the_venue_is_asked_again() -> None:
    async def act(rest: Rest, answers: Answers) -> None:
        assert len(await rest.call(ASK, IDS)) == 1
        assert len(answers.asked) == 4

    inside = b'{"code": -1000, "msg": "unknown"}'
    asking(ok({"code": -1000, "msg": "unknown"}), status(503, inside), status(500, b'{"code": 9, "msg": "x"}'),
           ok([1]), act=act)  # fmt: skip


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
        assert before >= 10.0

    asking(ok({"time": 123}), act=act, takes_s=0.25, weight=10.5)


def test_the_venues_clock_is_kept_and_told_to_what_is_asked() -> None:
    async def act(rest: Rest, _answers: Answers) -> None:
        assert rest.venue_now_ns() is None
        await rest.server_time()
        await asyncio.sleep(2)
        await rest.call(ASK, IDS)
        assert (BUILT[-1].venue_ns, BUILT[0].venue_ns) == (2_000_000_123, None)
        assert ASK.venue_ns is None
        await asyncio.sleep(10_000)
        assert rest.venue_now_ns() == 123 + int(CLOCK_GOOD_S * 1e9)

    BUILT.clear()
    asking(ok({"time": 123}), act=act)


def test_requests_are_counted_by_what_they_are_for() -> None:
    async def act(rest: Rest, _answers: Answers) -> None:
        await rest.server_time(priority=Priority.AUDIT)
        await rest.call(ASK, IDS, priority=Priority.AUDIT)
        for _ in range(2):
            await rest.call(ASK, IDS)
        assert dict(rest.calls) == {"time": 1, "audit trades": 1, "repairs trades": 2}
        assert rest.requests == 4

    asking(ok({"time": 123}), ok([1]), act=act)


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
