"""Many days: which ones, on how many processes, going on from where it was, and what it says of those that failed."""

import io
import multiprocessing
from pathlib import Path
from typing import Self

import pytest

from tapeline.sim.kept import soak
from tapeline.sim.kept.day import DayReport


def report(name: str, seed: int, *wrong: str) -> DayReport:
    return DayReport(
        venue=name, seed=seed, violations=wrong, faults={"cut": 2}, lives=2, crashes=1, rows={}, facts={}, asked={},
        digest="",
    )  # fmt: skip


class Here:
    """A pool that plays in this process."""

    def __init__(self, _processes: int, initializer: object = None) -> None:
        del initializer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    imap_unordered = staticmethod(lambda play, todo, chunksize: map(play, todo))  # noqa: ARG005  # as a pool has it


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    class Context:
        Pool = Here

    monkeypatch.setattr(multiprocessing, "get_context", lambda _kind: Context())


def fake(monkeypatch: pytest.MonkeyPatch, bad: set[int]) -> None:
    def run_day(plan: object) -> DayReport:
        seed, name = plan.seed, plan.venue.name  # type: ignore[attr-defined]  # a DayPlan
        if seed == 13:
            raise ValueError("unlucky")
        return report(name, seed, *(["it is wrong"] if seed in bad else []))

    monkeypatch.setattr(soak, "run_day", run_day)


def test_days_are_spread_over_venues_and_seeds() -> None:
    assert set(soak.playable()) >= {"binance", "binance-usdm", "okx"}
    assert list(soak.jobs(["a", "b"], 3, 4)) == [("a", 3), ("b", 3), ("a", 4), ("b", 4)]


@pytest.mark.usefixtures("here")
def test_a_run_says_what_failed_and_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = tmp_path / "progress"
    words = ["--venue", "okx", "--first", "11", "--last", "14", "--progress", str(progress)]
    fake(monkeypatch, {12})
    assert soak.main(words) == 1
    said = capsys.readouterr().out
    assert "4 venue-days of 24 virtual hours" in said
    assert "6 faults of 1 kinds, 3 crashes, 2 failed" in said
    assert "VIOLATED it is wrong" in said
    assert "day okx 13: ValueError('unlucky')" in said
    assert "failed: uv run python -m tapeline.sim.kept.day okx 12\n" in said
    assert progress.read_text().splitlines() == ["okx 11 ok", "okx 12 failed", "okx 13 failed", "okx 14 ok"]
    fake(monkeypatch, set())
    assert soak.main([*words, "--first", "12"]) == 1
    assert "2 venue-days of 24 virtual hours" in capsys.readouterr().out, "12 and 13, once more"
    assert soak.done_before(progress) == {("okx", 11), ("okx", 12), ("okx", 14)}


@pytest.mark.usefixtures("here")
def test_now_and_then_it_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "TELL_EVERY_S", 0.0)
    fake(monkeypatch, set())
    say = io.StringIO()
    tally = soak.soak([("okx", 1), ("okx", 2)], 4, processes=1, say=say)
    assert (tally.days, tally.failed) == (2, [])
    assert say.getvalue().splitlines()[0].startswith("1 of 4 days, 0 failed, ")


def test_days_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[soak.Job] = []

    def play_none(todo: list[soak.Job], _total: int, **_settings: object) -> soak.Tally:
        asked.extend(todo)
        return soak.Tally()

    monkeypatch.setattr(soak, "soak", play_none)
    assert soak.main(["--venue", "okx", "--venue", "binance", "--days", "5"]) == 0
    assert asked == list(soak.jobs(["okx", "binance"], 1, 3))
