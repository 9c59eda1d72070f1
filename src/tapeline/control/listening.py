"""The running instance's Unix socket: requests in, answers out, one JSON object a line each way.

A request is `{"op": NAME, ...}`; the answer `{"ok": true, "result": ...}` or `{"ok": false, "error": TEXT}`.
"""

import asyncio
import contextlib
import inspect
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from tapeline.errors import ConfigError, Refused, TapelineError

Handler = Callable[[Mapping[str, Any]], Awaitable[Any] | Any]
"""A request in, the result (or an awaitable of it) out, as plain JSON values; a TapelineError becomes the error."""

LINE_BYTES = 2**16  # longest request
CONNECTIONS = 16  # at once
IDLE_S = 30.0  # a client that says nothing for this long is let go
HANDLER_S = 5.0  # longest a handler may take
ACCEPT_AGAIN_S = 1.0
WRITE_S = 5.0  # longest a client may take to read its answer
_log = structlog.get_logger("tapeline.control")


@contextlib.asynccontextmanager
async def serve_control(path: Path, handlers: Mapping[str, Handler]) -> AsyncIterator[Path]:
    """Answer requests on this socket (mode 0600) while the block runs. Raises Refused where another instance does."""
    _remove_stale(path)
    failure: Exception | None = None
    with _bound(path) as listening:
        async with asyncio.TaskGroup() as tasks:
            running: set[asyncio.Task[None]] = set()
            accepting = _accept(listening, handlers, tasks, running)
            running.add(tasks.create_task(accepting, name="control"))
            try:
                yield path
            except Exception as error:  # noqa: BLE001  # raised again below, outside the group, which would wrap it
                failure = error
            finally:
                _remove(path)
                for task in running:
                    task.cancel()
    if failure is not None:
        raise failure


async def _accept(
    listening: socket.socket,
    handlers: Mapping[str, Handler],
    tasks: asyncio.TaskGroup,
    running: set[asyncio.Task[None]],
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            client, _ = await loop.sock_accept(listening)
        except OSError as trouble:  # out of file descriptors, most likely
            _log.warning("control socket cannot accept", reason=str(trouble))
            await asyncio.sleep(ACCEPT_AGAIN_S)
            continue
        if len(running) > CONNECTIONS:
            with client, contextlib.suppress(OSError):
                client.send(_refusal(f"{CONNECTIONS} clients are connected already: try again"))
            continue
        task = tasks.create_task(_serve(client, handlers), name="control client")
        running.add(task)
        task.add_done_callback(partial(_ended, running, client))


def _bound(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(OSError):  # where the system allows it, the socket is private from its first moment
            os.fchmod(listening.fileno(), 0o600)
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(CONNECTIONS)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise ConfigError(f"cannot listen on the control socket {path}: {error.strerror or error}") from error
    return listening


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _remove_stale(path: Path) -> None:
    """Remove what a killed instance left. Raises Refused where someone answers, or where it is no socket."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Refused(f"{path} is there and is no socket: remove it")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise Refused(f"cannot tell who listens on {path}: {error.strerror or error}") from error
    raise Refused(f"another instance listens on {path}")


def _ended(running: set[asyncio.Task[None]], client: socket.socket, task: asyncio.Task[None]) -> None:
    """Let the client go: here and not in its task, which may be cancelled before it starts."""
    running.discard(task)
    client.close()


async def _serve(client: socket.socket, handlers: Mapping[str, Handler]) -> None:
    """One client, until it goes, says nothing, or does not read."""
    loop = asyncio.get_running_loop()
    client.setblocking(False)
    waiting = b""
    try:
        while part := await asyncio.wait_for(loop.sock_recv(client, LINE_BYTES), IDLE_S):
            *lines, waiting = (waiting + part).split(b"\n")
            if max(map(len, [*lines, waiting])) > LINE_BYTES:
                await _send(client, _refusal(f"a request is at most {LINE_BYTES} bytes"))
                return
            for line in lines:
                await _send(client, await _answer(line, handlers))
    except (ConnectionError, TimeoutError):
        return  # the client's loss; the next one starts anew


async def _send(client: socket.socket, answer: bytes) -> None:
    await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(client, answer), WRITE_S)


async def _answer(line: bytes, handlers: Mapping[str, Handler]) -> bytes:
    try:
        request = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _refusal(f"not a JSON object on one line: {error}")
    op = request.get("op")
    handler = handlers.get(op) if isinstance(op, str) else None
    if handler is None:
        return _refusal(f"unknown op {op!r}: one of {', '.join(sorted(handlers))}")
    try:
        result = handler(request)
        if inspect.isawaitable(result):
            result = await asyncio.wait_for(result, HANDLER_S)
        return msgspec.json.encode({"ok": True, "result": result}) + b"\n"
    except TapelineError as error:
        return _refusal(str(error))
    except TimeoutError:
        return _refusal(f"{op} took more than {HANDLER_S:g} s")
    except Exception as bug:  # noqa: BLE001  # a question must never end the instance it asks about
        _log.exception("control handler failed", op=op)
        return _refusal(f"{op} failed: {bug!r}")


def _refusal(text: str) -> bytes:
    return msgspec.json.encode({"ok": False, "error": text}) + b"\n"
