"""The page of order types says what the venues declare."""

from itertools import dropwhile, takewhile
from pathlib import Path

from tapeline.model.order import KINDS, TIMES_IN_FORCE
from tapeline.venues import venues
from tapeline.venues.orders import Orders

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "order-types.md"


def rows(declared: list[Orders]) -> list[list[str]]:
    def said(each: list[bool]) -> list[str]:
        return ["yes" if yes else "-" for yes in each]

    return [
        *([kind, *said([kind in each.kinds for each in declared])] for kind in KINDS),
        *([word, *said([word in each.times_in_force for each in declared])] for word in TIMES_IN_FORCE),
        ["amend", *(", ".join(sorted(each.amends)) or "-" for each in declared)],
        ["order lists (OCO)", *said(["place_list" in each.calls for each in declared])],
        ["cancel all", *(each.cancel_all or "one by one" for each in declared)],
        ["dead-man timer", *(each.dead_man or "-" for each in declared)],
        ["orders over a WebSocket", *said([each.entry is not None for each in declared])],
        ["test network", *said([bool(each.testnet) for each in declared])],
        ["paper exchange", *said([each.server is not None for each in declared])],
    ]


def test_the_table_is_what_the_venues_declare() -> None:
    declared = {name: venue.orders for name, venue in venues().items() if venue.orders is not None}
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    table = takewhile(lambda line: line.startswith("|"), dropwhile(lambda line: not line.startswith("|"), lines))
    found = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table]
    assert found[0][1:] == list(declared)
    assert found[2:] == rows(list(declared.values()))
