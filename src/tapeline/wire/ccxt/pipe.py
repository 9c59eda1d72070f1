"""A connection to an exchange behind ccxt, as a `Pipe`: topics in, rows out; whatever fails there ends it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from decimal import localcontext
from functools import partial
from typing import Any, Never

import msgspec

from tapeline.errors import ConfigError, ConnectionLost, TapelineError
from tapeline.venues.ccxt import Place
from tapeline.venues.ccxt.refusals import is_definite
from tapeline.wire.ccxt import account, watching
from tapeline.wire.ccxt.exact import LENT, as_decimal
from tapeline.wire.ccxt.exchange import check_able, let_in, names_of, scrubbed
from tapeline.wire.pipe import AtOnce

MOST_WAITING = 20_000  # frames; a reader that is further behind gets a new connection
CONFIRM_S = 3.0
SETTLE_S = 2.0  # ccxt subscribes without telling when it is confirmed
_json = msgspec.json.encode


class BridgePipe:
    """One connection. `run` it; it serves market topics, or an account once that has logged in."""

    def __init__(self, exchange: Any, place: Place, *, settle_s: float = SETTLE_S) -> None:
        self._exchange, self._place, self._settle_s = exchange, place, settle_s
        self._frames: deque[bytes] = deque()
        self._event = asyncio.Event()
        self._over: ConnectionLost | ConfigError | None = None
        self._keys: dict[str, str] = {}
        self._topics: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._begun: asyncio.Future[asyncio.TaskGroup] = asyncio.get_running_loop().create_future()

    async def run(self) -> Never:
        """Until cancelled."""
        with localcontext(LENT):  # of every task below
            async with asyncio.TaskGroup() as tasks:
                self._begun.set_result(tasks)
                await asyncio.Event().wait()
        raise AssertionError("a connection runs until it is left")

    # ---- the pipe --------------------------------------------------------------------------------------------------

    async def receive(self, at_once: AtOnce | None = None) -> list[bytes]:  # noqa: ARG002  # frames come by this way only
        """See `pipe.Pipe`."""
        if not self._frames and self._over is None:
            await self._event.wait()
        self._event.clear()
        frames = list(self._frames)
        self._frames.clear()
        if not frames and self._over is not None:
            raise self._over
        return frames

    async def send(self, frame: bytes) -> None:
        """See `pipe.Pipe`: a request of `venues.ccxt`."""
        if self._over is not None:
            raise self._over
        asked = msgspec.json.decode(frame)
        match asked["op"]:
            case "subscribe":
                await self._subscribe(asked["id"], asked["topics"])
            case "unsubscribe":
                for of, symbol in asked["topics"]:
                    self._drop(of, symbol)
                self._push({"ack": asked["id"]})
            case "login":
                await self._start(lambda: self._answer(asked["id"], self._login(asked["keys"])), "login")
            case "watch":
                await self._start(lambda: self._answer(asked["id"], self._watch(asked["symbols"])), "watching")

    async def ping(self) -> None:
        """See `pipe.Pipe`. Sockets are ccxt's to keep alive, and it ends them where no pong comes: this one runs."""
        self._event.set()

    def wake(self) -> None:
        """See `pipe.Pipe`."""
        self._event.set()

    # ---- the market ------------------------------------------------------------------------------------------------

    async def _subscribe(self, request_id: int, topics: Sequence[tuple[str, str]]) -> None:
        self._exchange.number = as_decimal  # its books are sorted by prices
        for of, symbol in topics:
            self._drop(of, symbol)
            work = partial(self._stream, request_id, of, symbol)
            self._topics[of, symbol] = await self._start(work, f"{of} {symbol}")

    async def _stream(self, request_id: int, of: str, symbol: str) -> None:
        """One topic. It is confirmed by its first rows, or where nothing is said against it for a while."""
        confirmed = asyncio.get_running_loop().call_later(
            CONFIRM_S, self._push, {"ack": request_id, "ch": of, "s": symbol}
        )
        try:
            async for live, batch in watching.rows_of(self._exchange, of, symbol):
                if batch:
                    confirmed.cancel()
                    self._push({"ch": of, "s": symbol, "live": live, "rows": batch})
        except Exception as error:
            late = confirmed.cancelled() or confirmed.when() <= asyncio.get_running_loop().time()
            if late or not is_definite(names_of(error)):
                raise
            self._push({"refuse": request_id, "ch": of, "s": symbol, "code": names_of(error)[0],
                        "text": scrubbed(str(error), {})})  # fmt: skip
        finally:
            confirmed.cancel()

    def _drop(self, of: str, symbol: str) -> None:
        task = self._topics.pop((of, symbol), None)
        if task is not None:
            task.cancel()

    # ---- an account ------------------------------------------------------------------------------------------------

    async def _login(self, keys: dict[str, str]) -> None:
        self._keys = keys
        check_able(self._exchange, self._place.venue)
        let_in(self._exchange, keys)
        await self._exchange.fetch_balance()  # whether the key is taken

    async def _watch(self, symbols: Sequence[str]) -> None:
        watched = account.Account(self._exchange, self._place, symbols, self._push)
        for name, work in watched.work():
            await self._start(work, name)
        await asyncio.sleep(self._settle_s)

    async def _answer(self, request_id: str, step: Awaitable[None]) -> None:
        """What became of a step of the opening, as the venue reads it."""
        try:
            await step
        except TapelineError:
            raise
        except Exception as error:
            names = names_of(error)
            if not is_definite(names):
                raise
            body = {"error": names, "text": scrubbed(str(error), self._keys)}
            self._push({"id": request_id, "status": 401, "body": body})
        else:
            self._push({"id": request_id, "status": 200, "body": {}})

    # ---- within ----------------------------------------------------------------------------------------------------

    async def _start(self, work: Callable[[], Awaitable[None]], name: str) -> asyncio.Task[None]:
        tasks = await self._begun  # `run` has just been started
        return tasks.create_task(self._guarded(work, name), name=f"{self._place.venue} {name}")

    async def _guarded(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        """Whatever ccxt or an adapter raises ends this connection, and nothing else; the next one begins anew."""
        try:
            await work()
        except ConfigError as wrong:  # no other connection would do better
            self._end(wrong)
        except Exception as error:  # noqa: BLE001  # of somebody else's code: the reason is told, and the socket redialled
            why = scrubbed(str(error), self._keys) or "no reason is given"
            self._end(ConnectionLost(f"{name}: {type(error).__name__}: {why}"))

    def _end(self, why: ConnectionLost | ConfigError) -> None:
        self._over = self._over or why
        self._event.set()

    def _push(self, frame: dict[str, Any]) -> None:
        if len(self._frames) >= MOST_WAITING:
            self._end(ConnectionLost(f"{MOST_WAITING} frames wait to be read"))
            return
        self._frames.append(_json(frame))
        self._event.set()
