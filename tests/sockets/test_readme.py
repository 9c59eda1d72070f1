"""The code blocks of README.md and of the first steps, run as they stand against a simulated venue."""

import asyncio
import re
import tomllib
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import tapeline
from tapeline.app.running import run_config
from tapeline.config import load

pytestmark = pytest.mark.sockets
ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/tutorial/first-steps.md")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def test_the_live_example_streams(
    market: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (live,) = [block for block in blocks("README.md", "python") if "tapeline.Feed()" in block]
    run = asyncio.run

    def for_a_while(main: Coroutine[Any, Any, None]) -> None:
        async def against_a_simulator() -> None:
            async with market() as address:
                urls = {"binance": {"ws": f"ws://{address}", "rest": f"http://{address}"}}
                monkeypatch.setattr(tapeline, "Feed", partial(tapeline.Feed, urls=urls), raising=False)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(4):
                        await main

        run(against_a_simulator())

    monkeypatch.setattr(asyncio, "run", for_a_while)
    exec(compile(live, "README.md", "exec"), {"__name__": "__main__"})  # noqa: S102  # our own page is what is tested
    said = capsys.readouterr().out
    assert said.count("state='live'") == 4
    assert len(re.findall(r"^\d+\.\d+ \d+\.\d+ \(\(Decimal", said, re.MULTILINE)) > 5


def test_the_page_on_python_runs_to_its_end(
    market: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = blocks("docs/how-to/from-python.md", "python")
    run = asyncio.run

    def at_a_simulator(main: Coroutine[Any, Any, None]) -> None:
        async def simulated() -> None:
            async with market() as address, asyncio.timeout(30):
                urls = {"binance": {"ws": f"ws://{address}", "rest": f"http://{address}"}}
                monkeypatch.setattr(tapeline, "Feed", partial(tapeline.Feed, urls=urls), raising=False)
                await main

        run(simulated())

    monkeypatch.setattr(asyncio, "run", at_a_simulator)
    exec(compile(program, "from-python.md", "exec"), {"__name__": "__main__"})  # noqa: S102  # our own page
    said = capsys.readouterr().out
    assert re.findall(r"^(\S+) live", said, re.MULTILINE) == ["trades", "quotes", "book", "bars:1m"]
    assert re.search(r"^\d+ trades \(\(Decimal.* \d+\.\d+$", said, re.MULTILINE)
    assert "live" in said.splitlines()


@pytest.mark.parametrize("page", PAGES)
def test_the_configuration_runs_and_the_store_reads_back(
    page: str, market: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (toml,) = blocks(page, "toml")
    venues = [stream["venue"] for stream in tomllib.loads(toml)["stream"]]
    (tmp_path / "tapeline.toml").write_text(toml.replace("bars:1m@trades", "bars:1s@trades"))

    async def main() -> None:
        async with market("binance") as binance, market("okx") as okx:
            addresses = {"binance": binance, "okx": okx}
            environ = {f"TAPELINE_VENUE__{name.upper()}__WS_URL": f"ws://{addresses[name]}" for name in venues}
            environ |= {f"TAPELINE_VENUE__{name.upper()}__REST_URL": f"http://{addresses[name]}" for name in venues}
            await run_config(load(Path("tapeline.toml"), environ), stop=asyncio.Event(), for_s=3.5)

    asyncio.run(main())
    (reading,) = [block for block in blocks(page, "python") if "tapeline.open" in block]
    code = compile(reading.replace("1m@trades", "1s@trades"), page, "exec")
    exec(code, {"__name__": "__main__"})  # noqa: S102  # our own page is what is tested
    said = capsys.readouterr().out
    assert re.search(r"\d{19} \d+\.\d+ .*complete", said)
