"""The request budgets that this process shares with others on its host, one for each venue and address."""

import os
from collections.abc import Callable

from tapeline.clock import Clock
from tapeline.store.budget import HostBudget, budget_path
from tapeline.wire.pace import SharedBudget


def host_budgets(clock: Clock) -> Callable[[str, str], SharedBudget]:
    """(venue, REST URL) -> the budget of that venue at that address; the same one each time it is asked for."""
    made: dict[str, HostBudget] = {}

    def shared(venue: str, base_url: str) -> SharedBudget:
        path = budget_path(venue, base_url, os.environ)
        return made.setdefault(str(path), HostBudget(path, clock))

    return shared
