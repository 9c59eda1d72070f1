"""Requests out of bytes; connections that speak both are in tests/sockets/test_paper_over_sockets.py."""

import pytest

from tapeline.sim import http
from tapeline.sim.http import Talk, TooMuch
from tapeline.venues.orders import OrderRequest
from tapeline.wire.pipe import Response

POST = b"POST /a/b?x=1&y=%20 HTTP/1.1\r\nHost: z\r\nX-Key:  v \r\nContent-Length: 5\r\n\r\nhello"


def test_a_request_is_read_once_it_is_whole() -> None:
    talk = Talk()
    for index in range(len(POST)):
        assert talk.request() is None
        talk.feed(POST[index : index + 1])
    assert talk.request() == OrderRequest(
        method="POST", path="/a/b", query="x=1&y=%20", headers={"host": "z", "x-key": "v", "content-length": "5"},
        body=b"hello",
    )  # fmt: skip
    assert talk.request() is None


def test_requests_that_come_together_are_taken_one_by_one() -> None:
    talk = Talk()
    talk.feed(POST + b"GET / HTTP/1.1\r\n\r\n" + POST[:10])
    first, second, third = talk.request(), talk.request(), talk.request()
    assert first is not None
    assert (first.body, second, third) == (b"hello", OrderRequest(method="GET", path="/"), None)
    assert talk.whole() == POST[:10]


def test_a_body_in_chunks() -> None:
    talk = Talk()
    talk.feed(b"PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde")
    assert talk.request() is None
    talk.feed(b"\r\n0\r\n\r\nGET")
    request = talk.request()
    assert request is not None
    assert (request.method, request.body, talk.whole()) == ("PUT", b"abcde", b"GET")


@pytest.mark.parametrize(
    "raw",
    [b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
     b"GET / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", b"x" * 70_000,
     b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n"],
)  # fmt: skip
def test_what_is_no_request_or_too_large(raw: bytes) -> None:
    talk = Talk()
    talk.feed(raw)
    with pytest.raises(TooMuch):
        talk.request()


def test_an_upgrade_is_told_by_its_header() -> None:
    assert http._upgrades("GET / HTTP/1.1\r\nupgrade: WebSocket\r\nx: y")
    assert not http._upgrades("GET /websocket HTTP/1.1\r\nx: upgrade")


def test_an_answer_is_written_with_its_length() -> None:
    raw = http._written(Response(418, {"retry-after": "2"}, b"{}"), stays=False)
    assert raw == b"HTTP/1.1 418 I'm a Teapot\r\nretry-after: 2\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
    assert http._written(Response(599, {}, b""), stays=True).startswith(b"HTTP/1.1 599 Error\r\n")
