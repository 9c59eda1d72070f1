"""The bridge: a `Fetch` and a `Dial` for addresses of exchanges behind ccxt."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from decimal import localcontext
from typing import Any

import msgspec

from tapeline.errors import ConfigError, TapelineError, TimedOut, Unsent
from tapeline.venues.ccxt import Place, place_of
from tapeline.venues.request import Request
from tapeline.wire.ccxt.calls import ACTING, CALLS, KEYLESS
from tapeline.wire.ccxt.exact import LENT
from tapeline.wire.ccxt.exchange import Reach, check_able, let_in, made, names_of, scrubbed
from tapeline.wire.ccxt.pipe import BridgePipe
from tapeline.wire.pipe import Pipe, Response

OPEN_S = 60.0  # to import ccxt and to read an exchange's markets
CLOSE_S = 5.0
LISTS_TAKE = 3  # times as long as an order may: they come in pages
MARKETS_GOOD_S = 600.0
Make = Callable[..., Awaitable[Any]]


class Bridge:
    """Exchanges behind ccxt, each opened when it is first asked for. `reaches` by venue name; `close` it in the end."""

    def __init__(
        self, reaches: Mapping[str, Reach] | None = None, *, within_s: float = 10.0, make: Make = made
    ) -> None:  # fmt: skip
        self._reaches, self._within_s, self._make = reaches or {}, within_s, make
        self._open: dict[tuple[str, str], Any] = {}
        self._markets: dict[str, tuple[float, Any, Any]] = {}
        self._opening = asyncio.Lock()

    async def fetch(self, base_url: str, request: Request) -> Response:
        """See `pipe.Fetch`; an error of ccxt's is an answer, which the venue reads. Raises ConfigError besides."""
        call = request.path.strip("/")
        place, keys = place_of(base_url), {} if call in KEYLESS else dict(request.headers)
        exchange = await self._exchange(place, keys)
        asked = msgspec.json.decode(request.body) | {"kind": place.kind}
        within_s = self._within_s * (1 if call in ACTING else LISTS_TAKE)
        try:
            async with asyncio.timeout(within_s):
                with localcontext(LENT):
                    answer = {"ok": await CALLS[call](exchange, asked)}
        except TimeoutError as late:
            raise TimedOut(f"{place.venue} {call}: no answer within {within_s:g} s") from late
        except TapelineError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever an adapter raises, the venue reads what it means
            answer = {"error": names_of(error), "text": scrubbed(str(error), keys)}
        return Response(200, {}, msgspec.json.encode(answer))

    @asynccontextmanager
    async def dial(self, url: str) -> AsyncIterator[Pipe]:
        """See `pipe.Dial`: a connection of its own, with an exchange of its own."""
        place = place_of(url)
        exchange = await self._opened(place, {})
        pipe = BridgePipe(exchange, place)
        running = asyncio.create_task(pipe.run(), name=f"bridge to {place.venue}")
        try:
            yield pipe
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await _closed(exchange)

    async def close(self) -> None:
        """Close what is open."""
        exchanges, self._open = list(self._open.values()), {}
        await asyncio.gather(*(_closed(each) for each in exchanges))

    # ---- within ----------------------------------------------------------------------------------------------------

    async def _exchange(self, place: Place, keys: Mapping[str, str]) -> Any:
        """The one for these keys, opened where it is not yet."""
        name = (place.url, keys.get("key", ""))
        async with self._opening:
            if name not in self._open:
                self._open[name] = await self._opened(place, keys)
            return self._open[name]

    async def _opened(self, place: Place, keys: Mapping[str, str]) -> Any:
        """A new one with its markets. Raises ConfigError, and Unsent where the exchange does not tell them."""
        exchange = await self._make(place, self._reaches.get(place.venue, Reach()), within_s=self._within_s)
        try:
            async with asyncio.timeout(OPEN_S):
                with localcontext(LENT):
                    await self._learn(exchange, place.url)
                    if keys:
                        check_able(exchange, place.venue)
                        let_in(exchange, keys)
        except ConfigError:
            await _closed(exchange)
            raise
        except Exception as error:
            await _closed(exchange)
            why = scrubbed(str(error), keys) or type(error).__name__
            raise Unsent(f"{place.venue} could not be opened: {why}") from error
        except asyncio.CancelledError:
            await _closed(exchange)
            raise
        return exchange

    async def _learn(self, exchange: Any, url: str) -> None:
        """Its markets: from the exchange, or as they were read a moment ago."""
        now = asyncio.get_running_loop().time()
        read_at, markets, currencies = self._markets.get(url, (float("-inf"), None, None))
        if now < read_at + MARKETS_GOOD_S:
            exchange.set_markets(list(markets.values()), currencies)
            return
        await exchange.load_markets()
        self._markets[url] = (now, exchange.markets, exchange.currencies)


async def _closed(exchange: Any) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await exchange.close()
