"""The only HTTP client: one request at a time through the venue's budget, retried where the venue asks for it."""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence

import httpx2

from tapeline.clock import Clock
from tapeline.errors import ConnectionLost, RateLimited, Refused, Retry, TimedOut
from tapeline.venues.spec import Answer, Ask, Request, ServerTime, Venue
from tapeline.wire.pace import TokenBucket
from tapeline.wire.pipe import Fetch, Response

MOST_WAIT_S = 120.0


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
        except (httpx2.HTTPError, OSError) as error:
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
        self._bucket = TokenBucket(venue.limits.rest_weight_per_s, venue.limits.rest_weight_per_s * 10, clock.now())
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
                response = await self._once(request)
                return call.parse(self._body(response, request), ask, ids, self._clock.wall_ns())
            except Retry as trouble:
                if attempt == self._attempts:
                    raise
                await asyncio.sleep(max(trouble.after_s or 0.0, next(waits)))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def server_time(self) -> tuple[float, int, float]:
        """(monotonic before, the venue's clock in ns, monotonic after) of one request."""
        before = self._clock.now()
        response = await self._once(self._venue.rest["time"].build(Ask("time")))
        after = self._clock.now()
        body = self._body(response, None)
        for item in self._venue.rest["time"].parse(body, Ask("time"), {}, self._clock.wall_ns()):
            if isinstance(item, ServerTime):
                return before, item.at_ns, after
        raise Refused(f"{self._venue.name}: the server-time answer holds no time: {body[:200]!r}")

    async def _once(self, request: Request) -> Response:
        now = self._clock.now()
        wait_s = max(self._bucket.ready_at(now, request.weight), self._not_before) - now
        if wait_s > MOST_WAIT_S:
            raise RateLimited(f"{self._venue.name}: the venue asked for {wait_s:.0f} s of silence", after_s=wait_s)
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        self._bucket.take(self._clock.now(), request.weight)
        self.requests += 1
        response = await self._fetch(self._base_url, request)
        if self._answered is not None:
            query = "&".join(f"{name}={value}" for name, value in request.query)
            url = self._base_url + request.path + ("?" + query if query else "")
            self._answered(request.method, url, response, self._clock.wall_ns())
        return response

    def _body(self, response: Response, request: Request | None) -> bytes:
        """The body of a good answer, or of one that the venue's own error table explains. Raises Retry."""
        where = f"{self._venue.name} {request.path if request else 'time'}"
        if response.status in {418, 429}:
            self.limited += 1
            after = response.headers.get("retry-after", "")
            after_s = float(after) if after.isdigit() else 10.0
            self._not_before = max(self._not_before, self._clock.now() + after_s)
            raise RateLimited(f"{where}: HTTP {response.status}, asked to wait {after_s:g} s", after_s=after_s)
        if response.status >= 500:
            raise ConnectionLost(f"{where}: HTTP {response.status}: {response.body[:200]!r}")
        return response.body
