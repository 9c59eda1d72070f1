"""Maintained books against REST snapshots, at a sequence that both come to."""

import asyncio
from pathlib import Path
from typing import Any

from audit_fixtures import BTC, OFTEN, audited, some_time
from repair_fixtures import Scene, Theatre
from tapeline.app.audit.auditing import Auditor
from tapeline.model.event import Dispute
from tapeline.venues.spec import Request
from tapeline.wire.pipe import Response


def test_books_are_compared_at_one_sequence(tmp_path: Path) -> None:
    async def watch(_on: Theatre, scene: Scene, _auditor: Auditor) -> None:
        await some_time(_on, scene, _auditor)
        (desk,) = scene.instance.desks.values()
        assert desk.rest.calls["audit depth"] == 1

    told = audited(tmp_path, watch, "book", settings=OFTEN)
    assert (told.books, told.mismatches, told.unchecked, told.calls) == (1, 0, 0, 1)


def test_a_book_that_is_wrong_is_said_once(tmp_path: Path) -> None:
    async def watch(_on: Theatre, scene: Scene, _auditor: Auditor) -> None:
        await asyncio.sleep(30)
        book = scene.instance.book(BTC)
        bids, _ = book.top(1)
        far = bids[0][0] / 2
        await asyncio.sleep(250)

        def spoil(_event: Any) -> None:
            book._bids.change([(str(far), "3")])
            book._bids.change([(str(book.top(1)[0][0][0]), "123456")])

        scene.instance.bus.subscribe(spoil, channel="book", instrument=BTC)
        await asyncio.sleep(400)
        (dispute,) = scene.of(Dispute, "book")
        assert "ours 123456 at" in dispute.why

    told = audited(tmp_path, watch, "book")
    assert (told.books, told.mismatches) == (1, 1)


def test_a_book_that_is_not_synchronised_is_left_alone(tmp_path: Path) -> None:
    async def watch(on: Theatre, scene: Scene, _auditor: Auditor) -> None:
        await asyncio.sleep(5)
        scene.instance.book(BTC).unsynchronise("a test", on.clock.wall_ns())

        async def fetch(base: str, request: Request) -> Response:
            answer = await on.sim.fetch(base, request)
            return Response(200, {}, b'{"lastUpdateId":1,"bids":[],"asks":[]}') if "depth" in request.path else answer

        on.fetch = fetch
        await asyncio.sleep(500)

    told = audited(tmp_path, watch, "book")
    assert (told.books, told.mismatches, told.unchecked) == (0, 0, 1)
