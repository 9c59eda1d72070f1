"""The instrument list: asked for until it comes, and what keeps it is told; virtual time."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from itertools import repeat
from typing import Any

import pytest

from tapeline.app.listing import listed, read_list
from tapeline.app.symbols import Symbols
from tapeline.errors import BadData, ConnectionLost, RateLimited, Refused
from tapeline.model.instrument import Instrument
from tapeline.sim.loop import run
from tapeline.venues import venue_named
from tapeline.venues.spec import Ask, Priority, ServerTime, Unreadable

OKX = venue_named("okx")
BTC = Instrument(
    venue="okx", symbol="BTC/USDT", native="BTC-USDT", kind="spot", base="BTC", quote="USDT", tick=Decimal("0.1")
)


class Rest:
    """Answers as it is told, each after so many seconds."""

    def __init__(self, *answers: tuple[float, Any], silent_s: float = 0.0) -> None:
        self.answers, self.left_s, self.parts = list(answers), silent_s, list[str]()
        self.priorities = set[Priority]()

    def silent_s(self) -> float:
        return self.left_s

    async def call(self, ask: Ask, _ids: object, priority: Priority = Priority.REPAIRS) -> Sequence[Any]:
        self.parts.append(ask.part)
        self.priorities.add(priority)
        wait_s, answer = self.answers.pop(0) if self.answers else (0.0, list[Any]())
        await asyncio.sleep(wait_s)
        if isinstance(answer, Exception):
            raise answer
        return answer


def asked(rest: Rest, attempts: int = 0) -> tuple[Symbols, list[str], float]:
    symbols, troubles = Symbols("okx"), list[str]()

    async def main() -> float:
        began = asyncio.get_running_loop().time()
        await listed(
            rest,  # type: ignore[arg-type]  # it calls, that is all
            OKX, symbols, waits=repeat(2.0), trouble=lambda kind, text: troubles.append(f"{kind}: {text}"),
            attempts=attempts,
        )  # fmt: skip
        return asyncio.get_running_loop().time() - began

    return symbols, troubles, run(main())


def test_every_part_of_the_list_is_learned() -> None:
    rest = Rest((0.1, [BTC, ServerTime(1)]))
    symbols, troubles, _ = asked(rest)
    assert symbols.find("BTC/USDT") == BTC
    assert tuple(rest.parts) == OKX.rest["instruments"].parts
    assert troubles == []


def test_rows_that_mean_nothing_are_left_out_and_told() -> None:
    symbols, troubles, _ = asked(Rest((0.0, [Unreadable("X", "no base"), BTC, Unreadable("", "what?")])))
    assert symbols.find("BTC/USDT") == BTC
    assert troubles == ["instruments: left out: 2 rows of the list that mean nothing, such as that of X: no base"]


def test_what_is_waited_for_is_told_while_it_is() -> None:
    _, troubles, took_s = asked(Rest((60.0, [BTC]), silent_s=55.0))
    assert took_s == pytest.approx(60.0)
    why = "the venue asked for silence, 55 s of it are left"
    assert troubles == [f"instruments: still waiting for the list of instruments: {why}"]
    assert asked(Rest((6.0, [BTC])))[1] == ["instruments: still waiting for the list of instruments: no answer yet"]


def test_trouble_is_told_and_it_is_asked_for_again() -> None:
    limited, torn = RateLimited("not so fast", after_s=300.0), BadData("half a body", kind="bad_json")
    symbols, troubles, took_s = asked(Rest((0.0, limited), (0.0, torn), (0.0, [BTC])))
    assert troubles == ["instruments: not so fast", "instruments: half a body"]
    assert took_s == pytest.approx(302.0)
    assert symbols.find("BTC-USDT") == BTC


def test_a_list_that_will_never_come_is_an_error() -> None:
    with pytest.raises(Refused, match="not from your country"):
        asked(Rest((0.0, Refused("not from your country"))))


def test_once_more_it_is_read_behind_everything_else_and_whole_or_not_at_all() -> None:
    row = Unreadable("X", "no base")
    rest = Rest((0.0, [BTC, ServerTime(1)]), (0.0, [row]))
    found, bad = run(read_list(rest, OKX))  # type: ignore[arg-type]  # it calls, that is all
    assert (found, bad, tuple(rest.parts)) == ([BTC], [row], OKX.rest["instruments"].parts)
    assert rest.priorities == {Priority.AUDIT}
    with pytest.raises(ConnectionLost, match="gone"):
        run(read_list(Rest((0.0, [BTC]), (0.0, ConnectionLost("gone"))), OKX))  # type: ignore[arg-type]  # as above


def test_attempts_can_be_bounded() -> None:
    away = [(0.0, ConnectionLost("nobody there"))] * 4
    with pytest.raises(ConnectionLost, match="nobody there"):
        asked(Rest(*away), attempts=3)
    assert len(asked(Rest(*away), attempts=5)[1]) == 4
