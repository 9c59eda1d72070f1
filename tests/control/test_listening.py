import asyncio
import json
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tapeline.control import listening
from tapeline.control.asking import ask
from tapeline.control.listening import CONNECTIONS, LINE_BYTES, Handler, serve_control
from tapeline.errors import BadData, ConfigError, ConnectionLost, Refused


async def echo(request: Mapping[str, Any]) -> dict[str, Any]:
    return {"heard": request["say"]}


async def refuses(_: Mapping[str, Any]) -> None:
    raise BadData("no such book")


async def breaks(_: Mapping[str, Any]) -> None:
    raise ZeroDivisionError("oops")


async def hangs(_: Mapping[str, Any]) -> None:
    await asyncio.Event().wait()


def plain(request: Mapping[str, Any]) -> Any:
    return len(request)


HANDLERS: dict[str, Handler] = {"echo": echo, "refuses": refuses, "breaks": breaks, "hangs": hangs, "plain": plain}


def served(path: Path, play: Callable[[Path], Awaitable[Any]]) -> Any:
    async def scene() -> Any:
        async with serve_control(path, HANDLERS) as listens, asyncio.timeout(30):
            return await play(listens)

    return asyncio.run(scene())


async def lines(path: Path, *requests: bytes) -> list[dict[str, Any]]:
    reader, writer = await asyncio.open_unix_connection(str(path))
    answers = []
    for request in requests:
        writer.write(request)
        line = await reader.readline()
        answers.append(json.loads(line) if line else {})
    writer.close()
    return answers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "c.sock"


def test_a_question_and_its_answer(path: Path) -> None:
    answer = served(path, lambda at: asyncio.to_thread(ask, at, {"op": "echo", "say": [1, "x"]}, 5.0))
    assert answer == {"heard": [1, "x"]}


def test_many_questions_on_one_connection_good_and_bad(path: Path) -> None:
    answers = served(
        path,
        lambda at: lines(
            at,
            b'{"op": "echo", "say": 1}\n',
            b"no json\n",
            b"[1]\n",
            b'{"op": "\xff"}\n',
            b'{"op": "ecko"}\n',
            b'{"op": 3}\n',
            b'{"op": "refuses"}\n',
            b'{"op": "echo", "say": 2}\n',
            b'{"op": "plain"}\n',
        ),
    )
    assert answers[0] == {"ok": True, "result": {"heard": 1}}
    assert [answer["ok"] for answer in answers[1:7]] == [False] * 6
    assert answers[1]["error"].startswith("not a JSON object on one line: ")
    assert answers[2]["error"].startswith("not a JSON object on one line: ")
    assert answers[4]["error"] == "unknown op 'ecko': one of breaks, echo, hangs, plain, refuses"
    assert answers[5]["error"] == "unknown op 3: one of breaks, echo, hangs, plain, refuses"
    assert answers[6]["error"] == "no such book"
    assert answers[7] == {"ok": True, "result": {"heard": 2}}
    assert answers[8] == {"ok": True, "result": 1}


def test_a_line_without_end_is_refused_and_the_next_client_is_served(path: Path) -> None:
    async def play(at: Path) -> list[dict[str, Any]]:
        refused, after = await lines(at, b'"' + b"x" * (LINE_BYTES + 1) + b"\n", b"")
        return [refused, after, *await lines(at, b'{"op": "echo", "say": 2}\n')]

    refused, after, other = served(path, play)
    assert refused == {"ok": False, "error": "a request is at most 65536 bytes"}
    assert after == {}
    assert other == {"ok": True, "result": {"heard": 2}}


def test_a_bug_in_a_handler_is_told_and_logged_and_ends_nothing(path: Path) -> None:
    with capture_logs() as logged:
        answers = served(path, lambda at: lines(at, b'{"op": "breaks"}\n', b'{"op": "breaks"}\n'))
    assert [answer["error"] for answer in answers] == ["breaks failed: ZeroDivisionError('oops')"] * 2
    assert [entry["op"] for entry in logged] == ["breaks", "breaks"]


def test_a_handler_that_hangs_is_cut_short(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "HANDLER_S", 0.01)
    (answer,) = served(path, lambda at: lines(at, b'{"op": "hangs"}\n'))
    assert answer == {"ok": False, "error": "hangs took more than 0.01 s"}


def test_a_client_that_says_nothing_is_let_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "IDLE_S", 0.01)

    async def play(at: Path) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(at))
        said = await reader.read()
        writer.close()
        return said

    assert served(path, play) == b""


def test_too_many_clients_are_told_so(path: Path) -> None:
    async def play(at: Path) -> list[Any]:
        clients = [await asyncio.open_unix_connection(str(at)) for _ in range(CONNECTIONS)]
        for reader, writer in clients:
            writer.write(b'{"op": "echo", "say": 1}\n')
            assert await reader.readline()
        answers = await lines(at, b"")
        for _, writer in clients:
            writer.close()
        return answers

    assert served(path, play) == [{"ok": False, "error": "16 clients are connected already: try again"}]


def test_only_its_user_may_ask(path: Path) -> None:
    found = served(path, lambda at: asyncio.to_thread(at.stat))
    assert stat.S_IMODE(found.st_mode) == 0o600


def test_the_socket_is_gone_afterwards_even_with_a_client_connected(path: Path) -> None:
    async def scene() -> bytes:
        async with serve_control(path, HANDLERS) as at:
            reader, writer = await asyncio.open_unix_connection(str(at))
            writer.write(b'{"op": "echo", "say": 1}\n{"op": "hangs"}\n')
            assert await reader.readline()
        said = await asyncio.wait_for(reader.read(), 30)
        writer.close()
        return said

    assert asyncio.run(scene()) == b""
    assert not path.exists()
    with pytest.raises(ConnectionLost):
        ask(path, {"op": "echo"})


def test_a_client_who_came_as_the_block_ended_is_let_go(path: Path) -> None:
    async def scene() -> bytes:
        async with serve_control(path, HANDLERS) as at:
            reader, writer = await asyncio.open_unix_connection(str(at))
        try:
            return await asyncio.wait_for(reader.read(), 30)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    assert asyncio.run(scene()) == b""


def test_while_no_client_can_be_accepted_it_tries_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "ACCEPT_AGAIN_S", 0.01)

    async def scene() -> list[dict[str, Any]]:
        loop = asyncio.get_running_loop()
        accept, fails = loop.sock_accept, [OSError(24, "Too many open files"), OSError(24, "Too many open files")]

        async def flaky(sock: socket.socket) -> Any:
            if fails:
                raise fails.pop()
            return await accept(sock)

        monkeypatch.setattr(loop, "sock_accept", flaky)
        async with serve_control(path, HANDLERS) as at, asyncio.timeout(30):
            return await lines(at, b'{"op": "echo", "say": 1}\n')

    with capture_logs() as logged:
        assert asyncio.run(scene()) == [{"ok": True, "result": {"heard": 1}}]
    assert [entry["reason"] for entry in logged] == ["[Errno 24] Too many open files"] * 2


def test_an_error_of_the_block_comes_out_as_it_is(path: Path) -> None:
    async def scene() -> None:
        async with serve_control(path, HANDLERS):
            raise BadData("mine")

    with pytest.raises(BadData, match="mine"):
        asyncio.run(scene())
    assert not path.exists()


def test_cancelling_the_block_closes_the_socket(path: Path) -> None:
    async def scene() -> None:
        async def block() -> None:
            async with serve_control(path, HANDLERS):
                entered.set()
                await asyncio.Event().wait()

        entered = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(block(), name="block")
            await entered.wait()
            task.cancel()
        assert task.cancelled()

    asyncio.run(scene())
    assert not path.exists()


def test_what_a_killed_instance_left_is_removed(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    answers = served(path, lambda at: lines(at, b'{"op": "echo", "say": 1}\n'))
    assert answers == [{"ok": True, "result": {"heard": 1}}]


def test_a_living_instance_is_not_pushed_aside(path: Path) -> None:
    async def play(at: Path) -> list[dict[str, Any]]:
        with pytest.raises(Refused, match="another instance listens on"):
            async with serve_control(at, HANDLERS):
                pass
        return await lines(at, b'{"op": "echo", "say": 1}\n')

    assert served(path, play) == [{"ok": True, "result": {"heard": 1}}]


def test_a_file_in_its_place_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(Refused, match="is no socket"):
        served(path, lines)
    assert path.read_text() == "precious"


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot listen on the control socket"):
        served(tmp_path / "none" / "c.sock", lines)
