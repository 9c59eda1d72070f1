"""A REST side with a venue of canned answers, for the tests of whoever asks."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wire_fakes import LIMITS, START_NS, TOY, trade

from tapeline.errors import BadData, ClockWrong, RateLimited, Refused, Retry
from tapeline.sim.loop import VirtualClock, run
from tapeline.venues.spec import Allowance, Answer, Ask, Request, RestCall, ServerTime
from tapeline.wire.pace import backoff
from tapeline.wire.pipe import Response
from tapeline.wire.rest import Rest

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
