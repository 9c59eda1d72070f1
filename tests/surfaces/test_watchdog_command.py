import asyncio
from pathlib import Path

import pytest

from tapeline.clock import SystemClock
from tapeline.config import load
from tapeline.store.latch import HaltLatch
from tapeline.surfaces.cli import main
from tapeline.surfaces.cli.watchdog import _watch
from tapeline.watch.heartbeat import Heart


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


def written(tmp_path: Path, account: str) -> Path:
    path = tmp_path / "trade.toml"
    path.write_text(f'[store]\npath = "{tmp_path}"\n[account.main]\n{account}\n', encoding="utf-8")
    return path


def test_accounts_are_halted_where_the_heart_has_stopped(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, 'venue = "binance"')
    heart = Heart(tmp_path, ("main",), SystemClock())
    heart._boot = "an earlier one"
    heart.beat()
    latch = HaltLatch("main", "paper", environ, SystemClock())

    async def play() -> None:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_watch(load(path, {}, {}), tmp_path, closes=True, stop=stop), name="watchdog")
            async with asyncio.timeout(30):
                while latch.state == "running":  # noqa: ASYNC110  # another process may have set it
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.2)
            stop.set()

    asyncio.run(play())
    assert latch.state == "flattening"
    assert latch.read().who == "watchdog"
    assert "account main (paper): flattening" in capsys.readouterr().out


def test_a_missing_key_is_told_at_the_start(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    del environ
    path = written(tmp_path, 'venue = "binance"\nmode = "live"')
    with pytest.raises(SystemExit) as ended:
        main(["watchdog", "--config", str(path)])
    assert ended.value.code == 2
    assert "account.main has no key" in capsys.readouterr().err


def test_a_store_is_needed(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    del environ
    with pytest.raises(SystemExit) as ended:
        main(["watchdog"])
    assert ended.value.code == 2
    assert "which store?" in capsys.readouterr().err
