"""The reference pages that are generated from the code: `uv run python -m tapeline.surfaces.reference` writes them."""

from collections.abc import Callable, Mapping

from tapeline.surfaces.reference.commands import commands
from tapeline.surfaces.reference.configuration import configuration
from tapeline.surfaces.reference.events import events
from tapeline.surfaces.reference.orders import orders
from tapeline.surfaces.reference.risk import risk

REMEDY = "uv run python -m tapeline.surfaces.reference"
FOLDER = "docs/reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands,
    "configuration.md": configuration,
    "events.md": events,
    "orders.md": orders,
    "risk.md": risk,
}

__all__ = ["FOLDER", "PAGES", "REMEDY", "commands", "configuration", "events", "orders", "risk"]
