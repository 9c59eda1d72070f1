"""The REST side of a simulated venue: weighs what is asked, answers it from the source, and misbehaves."""

import math
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import parse_qsl

import msgspec

from tapeline.errors import Refused, TapelineError
from tapeline.model.interval import SECOND_NS
from tapeline.sim.answers import Answers, concerns, half
from tapeline.sim.faults import ANSWER, REST, Fault
from tapeline.sim.limits import Meter
from tapeline.sim.paper.exchange import Answered, Paper
from tapeline.sim.playback import Player
from tapeline.sim.source import Source
from tapeline.venues.orders import OrderRequest
from tapeline.venues.spec import Ask, Request, Venue
from tapeline.wire.pipe import Response


class RestSide:
    """Answers requests. What concerns accounts goes to `paper`, where there is one: both share the weight.

    `requests` are counted by call; `overdrawn` are those beyond the weight that is allowed.
    """

    def __init__(self, venue: Venue, source: Source, player: Player, paper: Paper | None) -> None:
        assert venue.server is not None, "a venue without a server side is not simulated"
        self._venue, self._server = venue, venue.server
        self._source, self._live, self._player, self._paper = source, source.live, player, paper
        self._weight = {each.name: Meter(each.weight, each.window_s, fixed=each.fixed) for each in venue.limits.rest}
        if paper is not None:
            paper.share(self._weight)
        self.answers = Answers()
        self.requests: Counter[str] = Counter()
        self.overdrawn = 0

    async def answer(self, request: OrderRequest, peer: str = "") -> Answered:
        """The answer to one request, of whatever method; `peer` is the address it came from."""
        if self._paper is not None:
            fault = self._player.fault(REST)
            answered = self._limited(fault) if fault is not None else await self._paper.answer(request, peer)
            if answered is not None:
                return answered
        if request.method != "GET":
            return self._error(404, f"no such path: {request.method} {request.path}")
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        failed = await self._prepared(request.path, query)
        return self.get(request.path, query) if failed is None else failed

    async def _prepared(self, path: str, query: Mapping[str, str]) -> Response | None:
        """Let a live source ask for what is asked here; what became of that where it failed."""
        if self._live is None:
            return None
        try:
            ask = self._server.read_rest(path, query)
            if ask is not None:
                await self._live.prepare(ask)
        except Refused as error:
            return self._error(400, str(error))
        except TapelineError as error:
            return self._error(503, str(error))
        return None

    def get(self, path: str, query: Mapping[str, str]) -> Response:
        """The answer to one GET."""
        fault = self._player.fault(REST)
        if fault is not None:
            return self._limited(fault)
        try:
            ask = self._server.read_rest(path, query)
        except TapelineError as error:
            return self._error(400, str(error))
        if ask is None:
            return self._error(404, f"no such path: {path}")
        return self._answered(ask)

    def _limited(self, fault: Fault) -> Response:
        if fault.kind == "down":
            return self._error(503, "Service unavailable: maintenance")
        after = str(max(1, round(fault.number())))
        return self._error(418 if fault.kind == "ban" else 429, "Too many requests", {"retry-after": after})

    def _answered(self, ask: Ask) -> Response:
        self.requests[ask.call] += 1
        limited, headers = self._metered(ask)
        if limited is not None:
            return limited
        if ask.native and not self._source.knows(ask.native):
            return self._error(400, f"no such symbol: {ask.native}", headers)
        call = self._venue.rest.get(ask.call)
        if call is not None and _longer(ask, call.window_s):
            return self._error(400, f"more than {call.window_s:g} s between start and end", headers)
        fault = self._player.fault(ANSWER, lambda one: concerns(one, ask))
        if fault is not None and fault.kind == "500":
            return self._error(500, "Internal error", headers)
        body = self._body(ask, fault)
        if body is None:
            return self._error(400, f"nothing is known of {ask.call} {ask.native}", headers)
        if fault is not None and fault.kind == "half_body":
            body = half(body)
        return Response(200, {"content-type": "application/json", **headers}, body)

    def _body(self, ask: Ask, fault: Fault | None) -> bytes | None:
        now_ns = self._player.now_ns()
        rows = self.answers.rows(ask, fault, lambda asked: self._source.rows(asked, now_ns), now_ns)
        if rows is None:
            return self._source.answer(ask, now_ns)
        written = ask if fault is None else msgspec.structs.replace(ask, limit=None)
        return self._server.answer_rest(written, rows)

    def _metered(self, ask: Ask) -> tuple[Response | None, Mapping[str, str]]:
        """What refuses this request for its weight, if anything does; and what the venue says of the weight used."""
        request = Request("GET", "")
        call = self._venue.rest.get(ask.call)
        if call is not None:
            with suppress(TapelineError):
                request = call.build(ask)
        meter = self._weight.get(request.budget)
        if meter is None:
            return None, {}
        now = self._player.pace.now()
        kept = meter.hit(now, request.weight)
        header = next(each.used for each in self._venue.limits.rest if each.name == request.budget)
        headers = {header: f"{meter.used(now):g}"} if header else {}
        if kept:
            return None, headers
        self.overdrawn += 1
        after = str(max(1, math.ceil(meter.wait_s(now))))
        return self._error(429, "Too much request weight used", {"retry-after": after, **headers}), headers

    def _error(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
        body = self._server.rest_error(status, text)
        return Response(status, {"content-type": "application/json", **(headers or {})}, body)


def _longer(ask: Ask, window_s: float) -> bool:
    """Whether a question spans more time than the venue takes."""
    return ask.from_ns is not None and ask.to_ns is not None and ask.to_ns - ask.from_ns > window_s * SECOND_NS
