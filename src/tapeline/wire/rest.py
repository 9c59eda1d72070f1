"""The only HTTP client: one request at a time through the venue's budget, retried where the venue asks for it."""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence

import httpx2

from tapeline.clock import Clock
from tapeline.errors import BadData, ConnectionLost, RateLimited, Refused, Retry, TimedOut
from tapeline.venues.spec import Answer, Ask, Request, RestCall, ServerTime, Venue
from tapeline.wire.pace import TokenBucket, retry_after_s
from tapeline.wire.pipe import Fetch, Response

MOST_WAIT_S = 120.0
LIMITED_S = 10.0  # silence after a 429 that does not say how long


def real_fetch(*, within_s: float = 10.0, tls: ssl.SSLContext | None = None) -> tuple[Fetch, httpx2.AsyncClient]:
    """Fetch over the network, and the client to close at the end."""
    client = httpx2.AsyncClient(timeout=within_s, verify=tls or True, follow_redirects=False)

    async def fetch(base_url: str, request: Request) -> Response:
        url = base_url.rstrip("/") + request.path
        try:
            async with asyncio.timeout(within_s):
                answer = await client.request(request.method, url, params=list(request.query))
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise TimedOut(f"{url}: no answer within {within_s:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise ConnectionLost(f"{url}: {error or type(error).__name__}") from error
        return Response(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content)

    return fetch, client


class Rest:
    """A venue's REST side: `call` asks within the budget, obeys 429 and 418, and retries what is transient."""

    def __init__(
        self, venue: Venue, base_url: str, *, fetch: Fetch, clock: Clock, delays: Callable[[], Iterator[float]],
        attempts: int = 4, answered: Callable[[str, str, Response, int], None] | None = None,
    ) -> None:  # fmt: skip
        self._venue = venue
        self._base_url = base_url
        self._fetch = fetch
        self._clock = clock
        self._delays = delays
        self._attempts = attempts
        self._answered = answered
        self._most = venue.limits.rest_weight_per_s * 10  # saved up, so also what one request may cost
        self._bucket = TokenBucket(venue.limits.rest_weight_per_s, self._most, clock.now())
        self._not_before = 0.0
        self.requests = 0
        self.limited = 0

    async def call(self, ask: Ask, ids: Mapping[str, str]) -> Sequence[Answer]:
        """The answer as events, oldest first. Raises Retry once attempts are used up, Refused, or BadData."""
        call = self._venue.rest[ask.call]
        request = call.build(ask)
        waits = self._delays()
        for attempt in range(1, self._attempts + 1):
            try:
                await self._turn(request.weight)
                response = await self._once(request)
                return self._parsed(call, response, ask, ids)
            except Retry as trouble:
                if attempt == self._attempts or (trouble.after_s or 0.0) > MOST_WAIT_S:
                    raise
                await asyncio.sleep(max(trouble.after_s or 0.0, next(waits)))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def server_time(self) -> tuple[float, int, float]:
        """(monotonic before, the venue's clock in ns, monotonic after) of one request, without the wait before it."""
        call, ask = self._venue.rest["time"], Ask("time")
        request = call.build(ask)
        await self._turn(request.weight)
        before = self._clock.now()
        response = await self._once(request)
        after = self._clock.now()
        for item in self._parsed(call, response, ask, {}):
            if isinstance(item, ServerTime):
                return before, item.at_ns, after
        raise BadData(f"{self._venue.name}: the server-time answer holds no time: {response.body[:200]!r}")

    async def _turn(self, weight: float) -> None:
        """Wait for the budget, and for the silence the venue asked for."""
        cost = min(weight, self._most)
        while True:
            now = self._clock.now()
            wait_s = max(self._bucket.ready_at(now, cost), self._not_before) - now
            if wait_s > MOST_WAIT_S:
                raise RateLimited(f"{self._venue.name}: the venue asked for {wait_s:.0f} s of silence", after_s=wait_s)
            if wait_s <= 0 and self._bucket.take(now, cost):
                return
            await asyncio.sleep(max(0.001, wait_s))

    async def _once(self, request: Request) -> Response:
        self.requests += 1
        response = await self._fetch(self._base_url, request)
        if self._answered is not None:
            query = "&".join(f"{name}={value}" for name, value in request.query)
            url = self._base_url + request.path + ("?" + query if query else "")
            self._answered(request.method, url, response, self._clock.wall_ns())
        return response

    def _parsed(self, call: RestCall, response: Response, ask: Ask, ids: Mapping[str, str]) -> Sequence[Answer]:
        """What the answer holds. Raises Retry, or Refused where the status says so and the body does not say more."""
        where = f"{self._venue.name} {ask.call}"
        if response.status in {418, 429}:
            self.limited += 1
            after_s = retry_after_s(response.headers.get("retry-after", ""))
            after_s = LIMITED_S if after_s is None else after_s
            self._not_before = max(self._not_before, self._clock.now() + after_s)
            raise RateLimited(f"{where}: HTTP {response.status}, asked to wait {after_s:g} s", after_s=after_s)
        said = f"{where}: HTTP {response.status}: {response.body[:200]!r}"
        if response.status >= 500:
            raise ConnectionLost(said, after_s=retry_after_s(response.headers.get("retry-after", "")))
        try:
            answer = call.parse(response.body, ask, ids, self._clock.wall_ns())
        except BadData as bad:
            if response.status >= 300:
                raise Refused(said, code=str(response.status)) from bad
            raise
        if response.status >= 300:
            raise Refused(said, code=str(response.status))
        return answer
