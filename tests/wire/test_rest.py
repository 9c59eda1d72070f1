import asyncio
import logging
from collections.abc import Callable

import httpx2
import pytest
from rest_stage import ASK, BUILT, IDS, Answers, asking, ok, status
from wire_fakes import START_NS, trade

from tapeline.errors import BadData, ClockWrong, ConnectionLost, Refused, TapelineError, TimedOut, Unsent
from tapeline.venues.spec import Priority, Request
from tapeline.wire.pipe import Response
from tapeline.wire.rest import CLOCK_GOOD_S, DRIFT, Rest, real_fetch


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


ASKED = Request("GET", "/trades", (("symbol", "A"), ("limit", "5")))


def fetching(
    handler: Callable[[httpx2.Request], httpx2.Response], within_s: float = 10.0, request: Request = ASKED
) -> Response:
    async def main() -> Response:
        fetch, client = real_fetch(within_s=within_s)
        client.http._transport = httpx2.MockTransport(handler)
        client.http._mounts = {}
        async with client:
            return await fetch("https://toy/", request)

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
        (httpx2.ConnectError("refused"), Unsent),
        (httpx2.ConnectTimeout("refused"), Unsent),
        (httpx2.InvalidURL("what"), Unsent),
        (httpx2.ReadTimeout("late"), TimedOut),
        (httpx2.RemoteProtocolError("cut"), ConnectionLost),
        (OSError("no route"), ConnectionLost),
    ],
)
def test_fetch_raises_only_our_own_errors(trouble: Exception, error: type[TapelineError]) -> None:
    def handler(_request: httpx2.Request) -> httpx2.Response:
        raise trouble

    with pytest.raises(error, match="https://toy/trades") as told:
        fetching(handler)
    assert type(told.value) is error


def test_fetch_sends_headers_and_the_body_to_the_letter() -> None:
    asked: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, content=b"{}")

    post = Request("POST", "/order", (), 1, "weight", (("OK-KEY", "abc"), ("Content-Type", "application/json")),
                   b'{"px": "1.0"}')  # fmt: skip
    fetching(handler, request=post)
    fetching(handler, request=Request("DELETE", "/order", (("a", '["A/B"] c'),), headers=(("OK-KEY", "abc"),)))
    first, second = asked
    assert (first.method, first.url.raw_path, first.content) == ("POST", b"/order", b'{"px": "1.0"}')
    assert (first.headers["ok-key"], first.headers["content-type"]) == ("abc", "application/json")
    assert (second.method, second.url.raw_path) == ("DELETE", b"/order?a=%5B%22A%2FB%22%5D%20c")
    assert (second.content, second.headers["ok-key"]) == (b"", "abc")


def test_a_malformed_header_is_told_without_what_it_says() -> None:
    def handler(_request: httpx2.Request) -> httpx2.Response:
        raise httpx2.LocalProtocolError("Illegal header value b'the key\\n'")

    with pytest.raises(Unsent, match="a header of the request is malformed") as told:
        fetching(handler)
    assert "the key" not in str(told.value)
    assert told.value.__suppress_context__


def test_the_librarys_log_says_where_it_asked_and_not_what(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="httpx2"):
        for _ in range(2):
            fetching(lambda _request: httpx2.Response(200), request=Request("GET", "/x", (("listenKey", "abc"),)))
        logging.getLogger("httpx2").info("no arguments")
    lines = [record.getMessage() for record in caplog.records if record.name == "httpx2"]
    assert lines == ['HTTP Request: GET https://toy/x "HTTP/1.1 200 OK"'] * 2 + ["no arguments"]


def test_a_stamp_for_signatures_goes_on_however_old_its_reading_is() -> None:
    async def act(rest: Rest, _answers: Answers) -> None:
        assert (rest.stamp_ns(), rest.surely_ns(), rest.clock_age_s()) == (None, None, float("inf"))
        await rest.server_time()
        await asyncio.sleep(10_000)
        assert (rest.stamp_ns(), rest.clock_age_s()) == (10_000_000_000_123, 10_000.0)
        assert rest.surely_ns() == 123 + int(10_000 * (1 - DRIFT) * 1e9), "clocks do not run alike"

    asking(ok({"time": 123}), act=act)
