"""The only HTTP client: requests in turn through the venue's budgets, retried where the venue asks for it."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import httpx2
import msgspec

from tapeline.clock import Clock
from tapeline.errors import BadData, ClockWrong, ConnectionLost, RateLimited, Refused, Retry, TapelineError, TimedOut
from tapeline.venues.spec import Answer, Ask, Priority, Request, RestCall, ServerTime, Venue
from tapeline.wire.pace import Budget, SharedBudget, retry_after_s
from tapeline.wire.pipe import Fetch, Response

MOST_WAIT_S = 120.0  # a longer silence is told to the caller, who may have something better to do
LIMITED_S = 10.0  # silence after a body that says "too many requests", and not how long
MOST_DOUBLINGS = 5  # of a silence that the venue did not put a number to, each time it has to ask again
BOUNDARY_S = 1.0  # how well we know where a calendar window ends
CLOCK_GOOD_S = 300.0  # a reading of the venue's clock is carried forward for so long, then it stands


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


class _Line:
    """Who waits for one budget: by priority, then by order of arrival. Only the first asks; the others are woken."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._waiting: list[tuple[Priority, int]] = []
        self._tickets = 0
        self._moved = asyncio.Event()

    def join(self, priority: Priority) -> tuple[Priority, int]:
        """A place in the line."""
        self._tickets += 1
        ticket = (priority, self._tickets)
        self._waiting.append(ticket)
        self._waiting.sort()
        self._move()
        return ticket

    def leave(self, ticket: tuple[Priority, int]) -> None:
        """Gone, served or not."""
        self._waiting.remove(ticket)
        self._move()

    def is_first(self, ticket: tuple[Priority, int]) -> bool:
        """Whether it is this one's turn to ask."""
        return self._waiting[0] == ticket

    async def wait_moved(self, within_s: float | None) -> None:
        """Until somebody comes or goes, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._moved.wait()

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


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
        self._shared = shared
        now = clock.now()
        self._lines = {allowance.name: _Line(Budget(allowance, now)) for allowance in venue.limits.rest}
        self._not_before = 0.0
        self._unnumbered = 0  # silences in a row that the venue put no number to
        self._clock_read: tuple[float, int] | None = None  # monotonic seconds, the venue's nanoseconds
        self.requests = 0
        self.limited = 0
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
                await self._turn(request, priority)
                self.calls[_purpose(ask, priority)] += 1
                response = await self._once(request)
                return self._parsed(call, response, now_ask, ids)
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
        await self._turn(request, priority)
        self.calls[_purpose(ask, priority)] += 1
        before = self._clock.now()
        response = await self._once(request)
        after = self._clock.now()
        for item in self._parsed(call, response, ask, {}):
            if isinstance(item, ServerTime):
                self._clock_read = after, item.at_ns
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
        return max(0.0, self._not_before - self._clock.now())

    def used(self) -> Mapping[str, tuple[float, float]]:
        """Of each allowance, by its name: what is used of it now, and how much it is."""
        now = self._clock.now()
        return {
            name: (line.budget.used(now), line.budget.allowance.weight) for name, line in self._lines.items()
        }  # fmt: skip

    async def _turn(self, request: Request, priority: Priority) -> None:
        """Wait for the budget, for those who go first, and for the silence the venue asked for."""
        line = self._lines[request.budget]
        ticket = line.join(priority)
        try:
            while True:
                if not line.is_first(ticket):
                    await line.wait_moved(None)
                    continue
                wait_s = self._try(line.budget, request.weight, priority)
                if wait_s <= 0:
                    return
                await line.wait_moved(max(0.001, wait_s))
        finally:
            line.leave(ticket)

    def _try(self, budget: Budget, weight: float, priority: Priority) -> float:
        """Spend it and 0, or seconds until it is worth trying again. Raises RateLimited for a long silence."""
        now = self._clock.now()
        silent_s = self._not_before - now
        wait_s = max(silent_s, budget.wait_s(now, weight, priority))
        if wait_s <= 0 and self._shared is not None:
            silent_s, wait_s = self._shared.take(budget.allowance, budget.cost(weight, priority), budget.most(priority))
            self._not_before = max(self._not_before, now + silent_s)
            wait_s = max(silent_s, wait_s)
        if silent_s > MOST_WAIT_S:
            raise RateLimited(f"{self._venue.name}: the venue asked for {silent_s:.0f} s of silence", after_s=silent_s)
        if wait_s <= 0:
            budget.take(now, weight, priority)
        return wait_s

    async def _once(self, request: Request) -> Response:
        self.requests += 1
        response = await self._fetch(self._base_url, request)
        self._correct(response)
        if self._answered is not None:
            query = "&".join(f"{name}={value}" for name, value in request.query)
            url = self._base_url + request.path + ("?" + query if query else "")
            self._answered(request.method, url, response, self._clock.wall_ns())
        return response

    def _correct(self, response: Response) -> None:
        """Take over what the venue says is used: others may be asking from this address."""
        for line in self._lines.values():
            allowance = line.budget.allowance
            said = retry_after_s(response.headers.get(allowance.used, "")) if allowance.used else None
            if said is None:
                continue
            left_s = allowance.window_s
            if allowance.fixed:
                venue_ns = self.venue_now_ns()
                at_s = (self._clock.wall_ns() if venue_ns is None else venue_ns) / 1e9
                left_s = allowance.window_s - at_s % allowance.window_s + BOUNDARY_S
            line.budget.told(self._clock.now(), said, left_s)

    def _parsed(self, call: RestCall, response: Response, ask: Ask, ids: Mapping[str, str]) -> Sequence[Answer]:
        """What the answer holds. Raises Retry, or Refused where the status says so and the body does not say more."""
        where = f"{self._venue.name} {ask.call}"
        said = f"{where}: HTTP {response.status}: {response.body[:200]!r}"
        after_s = retry_after_s(response.headers.get("retry-after", ""))
        silent_s = self._venue.limits.silence_s.get(response.status)
        try:
            answer = call.parse(response.body, ask, ids, self._clock.wall_ns())
        except RateLimited as limited:
            raise self._silenced(str(limited), after_s or limited.after_s, silent_s or LIMITED_S) from limited
        except TapelineError as trouble:
            if silent_s is not None:
                raise self._silenced(said, after_s, silent_s) from trouble
            if response.status >= 500 and not isinstance(trouble, Retry):
                raise ConnectionLost(said, after_s=after_s) from trouble
            if response.status >= 300 and isinstance(trouble, BadData):
                raise Refused(said, code=str(response.status)) from trouble
            raise
        if silent_s is not None:
            raise self._silenced(said, after_s, silent_s)
        if response.status >= 500:
            raise ConnectionLost(said, after_s=after_s)
        if response.status >= 300:
            raise Refused(said, code=str(response.status))
        if self._clock.now() >= self._not_before:
            self._unnumbered = 0
        return answer

    def _silenced(self, said: str, after_s: float | None, default_s: float) -> RateLimited:
        """Nothing is asked of this venue until the time is over, by whomever; longer each time it gives no number."""
        self.limited += 1
        now = self._clock.now()
        if after_s is None:
            self._unnumbered += now >= self._not_before  # the answers to what was under way count once
            after_s = default_s * 2 ** min(max(0, self._unnumbered - 1), MOST_DOUBLINGS)
        self._not_before = max(self._not_before, now + after_s)
        if self._shared is not None:
            self._shared.silence(after_s)
        return RateLimited(f"{said}: asked to wait {after_s:g} s", after_s=after_s)


def _purpose(ask: Ask, priority: Priority) -> str:
    """What a request is for. Instruments and the clock are for everybody."""
    return ask.call if ask.call in {"instruments", "time"} else f"{priority.name.lower()} {ask.call}"
