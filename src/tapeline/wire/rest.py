"""The only HTTP client: requests in turn through the venue's budgets, retried where the venue asks for it."""

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Self

import httpx2
import msgspec

from tapeline.clock import Clock
from tapeline.errors import BadData, ClockWrong, ConnectionLost, Retry, TimedOut, Unsent
from tapeline.venues.ccxt import bridged
from tapeline.venues.spec import Answer, Ask, Priority, Request, ServerTime, Venue
from tapeline.wire.ccxt.bridge import Bridge
from tapeline.wire.ccxt.exchange import Reach
from tapeline.wire.pace import SharedBudget
from tapeline.wire.pipe import Fetch, Response
from tapeline.wire.turns import MOST_WAIT_S, Turns

CLOCK_GOOD_S = 300.0  # a reading of the venue's clock is carried forward for so long, then it stands
MOST_HALF_S = 0.5  # a longer half of a round trip was spent on opening a connection: venues take no stamp of the future
DRIFT = 1e-4  # a second of one clock is so much more or less of another's
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.InvalidURL, httpx2.ProxyError)


class _WithoutQuery(logging.Filter):
    """The library logs the address of each request: its query is signed, and may hold the key of a stream."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                each.copy_with(query=None) if isinstance(each, httpx2.URL) else each for each in record.args
            )
        return True


_WITHOUT_QUERY = _WithoutQuery()  # added to their logger as often as one likes, it is there once


class Clients:
    """What `real_fetch` has open: an HTTP client, and exchanges that are asked through ccxt."""

    def __init__(self, http: httpx2.AsyncClient, bridge: Bridge) -> None:
        self.http, self._bridge = http, bridge

    async def aclose(self) -> None:
        """Close them."""
        await self.http.aclose()
        await self._bridge.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_why: object) -> None:
        await self.aclose()


def real_fetch(
    *, within_s: float = 10.0, tls: ssl.SSLContext | None = None, reaches: Mapping[str, Reach] | None = None
) -> tuple[Fetch, Clients]:  # fmt: skip
    """Fetch over the network, and what to close at the end. `reaches` are of venues behind ccxt."""
    logging.getLogger("httpx2").addFilter(_WITHOUT_QUERY)
    client = httpx2.AsyncClient(timeout=within_s, verify=tls or True, follow_redirects=False)
    bridge = Bridge(reaches, within_s=within_s)

    async def fetch(base_url: str, request: Request) -> Response:
        if bridged(base_url):
            return await bridge.fetch(base_url, request)
        url = base_url.rstrip("/") + request.path
        # The query goes out as it was signed, and is in no message: keys and signatures are in it.
        target = url + "?" + request.query_text if request.query else url
        try:
            async with asyncio.timeout(within_s):
                answer = await client.request(
                    request.method, target, headers=list(request.headers), content=request.body or None
                )
        except httpx2.LocalProtocolError:
            # It quotes the header it does not like, and that may be a key.
            raise Unsent(f"{url}: a header of the request is malformed: is there a line break in a key?") from None
        except _NOT_SENT as error:
            raise Unsent(f"{url}: {error or type(error).__name__}") from error
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise TimedOut(f"{url}: no answer within {within_s:g} s") from error
        except (httpx2.HTTPError, OSError) as error:
            raise ConnectionLost(f"{url}: {error or type(error).__name__}") from error
        return Response(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content)

    return fetch, Clients(client, bridge)


class Rest:
    """A venue's REST side: `call` asks within the budget, obeys 429 and 418, and retries what is transient.

    `shared` is what other processes on this host spend at the same venue and address; None where there are none.
    """

    def __init__(
        self, venue: Venue, base_url: str, *, fetch: Fetch, clock: Clock, delays: Callable[[], Iterator[float]],
        attempts: int = 4, answered: Callable[[str, str, Response, int], None] | None = None,
        shared: SharedBudget | None = None,
    ) -> None:  # fmt: skip
        self._venue = venue
        self._base_url = base_url
        self._fetch = fetch
        self._clock = clock
        self._delays = delays
        self._attempts = attempts
        self._answered = answered
        self.turns = Turns(venue, clock, shared)
        self._clock_read: tuple[float, int] | None = None  # monotonic seconds, the venue's nanoseconds
        self._half_s = 0.0  # half the round trip of that reading
        self.requests = 0
        self.calls: Counter[str] = Counter()  # requests by purpose: "audit bars", "repairs trades", "time"

    async def call(
        self, ask: Ask, ids: Mapping[str, str], *, priority: Priority = Priority.REPAIRS
    ) -> Sequence[Answer]:
        """The answer as events, oldest first. Raises Retry once attempts are used up, Refused, or BadData."""
        call = self._venue.rest[ask.call]
        waits = self._delays()
        clock_fixed = False
        for attempt in range(1, self._attempts + 1):
            try:
                # Only the request knows the venue's clock: what it asks for stays as it was.
                now_ask = msgspec.structs.replace(ask, venue_ns=self.venue_now_ns())
                request = call.build(now_ask)
                await self.turns.wait(request, priority)
                self.calls[_purpose(ask, priority)] += 1
                response = await self._once(request)
                parse = partial(call.parse, response.body, now_ask, ids, self._clock.wall_ns())
                return self.turns.reading(ask.call, response, parse)
            except ClockWrong:
                if clock_fixed:
                    raise
                clock_fixed = True
                await self.server_time(priority=priority)
            except Retry as trouble:
                if attempt == self._attempts or (trouble.after_s or 0.0) > MOST_WAIT_S:
                    raise
                await asyncio.sleep(max(trouble.after_s or 0.0, next(waits)))
        raise ClockWrong(f"{self._venue.name} {ask.call}: refused for its time stamp, even after reading the clock")

    async def server_time(self, *, priority: Priority = Priority.REPAIRS) -> tuple[float, int, float]:
        """(monotonic before, the venue's clock in ns, monotonic after) of one request, without the wait before it."""
        call, ask = self._venue.rest["time"], Ask("time")
        request = call.build(ask)
        await self.turns.wait(request, priority)
        self.calls[_purpose(ask, priority)] += 1
        before = self._clock.now()
        response = await self._once(request)
        after = self._clock.now()
        parse = partial(call.parse, response.body, ask, {}, self._clock.wall_ns())
        for item in self.turns.reading(ask.call, response, parse):
            if isinstance(item, ServerTime):
                self._clock_read, self._half_s = (after, item.at_ns), min((after - before) / 2, MOST_HALF_S)
                return before, item.at_ns, after
        raise BadData(f"{self._venue.name}: the server-time answer holds no time: {response.body[:200]!r}")

    def venue_now_ns(self) -> int | None:
        """The venue's clock, never ahead of it by more than it drifts; None before the first `server_time`.

        It does not go by our wall clock, which may be wrong or jump; a reading grows old after five minutes.
        """
        if self._clock_read is None:
            return None
        read_at, at_ns = self._clock_read
        return at_ns + int(min(self._clock.now() - read_at, CLOCK_GOOD_S) * 1e9)

    def silent_s(self) -> float:
        """Seconds left of the silence that the venue asked for, as far as this process knows."""
        return self.turns.silent_s()

    def used(self) -> Mapping[str, tuple[float, float]]:
        """Of each allowance, by its name: what is used of it now, and how much it is."""
        return self.turns.used()

    @property
    def limited(self) -> int:
        """How often the venue asked for silence."""
        return self.turns.limited

    def stamp_ns(self) -> int | None:
        """The venue's clock for a signature, however old the reading is (`clock_age_s`); None before the first."""
        if self._clock_read is None:
            return None
        read_at, at_ns = self._clock_read
        return at_ns + round((self._clock.now() - read_at + self._half_s) * 1e9)

    def surely_ns(self) -> int | None:
        """The least that the venue's clock can be by now: what it stamps from now on is no earlier. None as above.

        A stamp for a signature is the likeliest, and may be ahead by half the round trip of the reading.
        """
        if self._clock_read is None:
            return None
        read_at, at_ns = self._clock_read
        return at_ns + int((self._clock.now() - read_at) * (1.0 - DRIFT) * 1e9)

    def clock_age_s(self) -> float:
        """Seconds since the venue's clock was read; infinite before the first time."""
        return float("inf") if self._clock_read is None else self._clock.now() - self._clock_read[0]

    async def send(self, request: Request) -> Response:
        """Ask once, with the turn already waited for; it goes to no tape. Raises ConnectionLost or TimedOut."""
        self.requests += 1
        response = await self._fetch(self._base_url, request)
        self.turns.correct(response, self.venue_now_ns())
        return response

    async def _once(self, request: Request) -> Response:
        response = await self.send(request)
        if self._answered is not None:
            query = "&".join(f"{name}={value}" for name, value in request.query)
            url = self._base_url + request.path + ("?" + query if query else "")
            self._answered(request.method, url, response, self._clock.wall_ns())
        return response


def _purpose(ask: Ask, priority: Priority) -> str:
    """What a request is for. Instruments and the clock are for everybody."""
    return ask.call if ask.call in {"instruments", "time"} else f"{priority.name.lower()} {ask.call}"
