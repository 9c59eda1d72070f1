"""A live run that cannot write its journal: gates first, then what rests, by the minimal path, and what is known of it.

Nothing here needs the journal, the engine, or the store.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tapeline.clock import Clock
from tapeline.config import Config
from tapeline.model.number import plain
from tapeline.model.order import Order
from tapeline.watch.emergency import Emergency
from tapeline.watch.report import Report
from tapeline.wire.pipe import Fetch

WHO = "journal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """How accounts stand after such an end, by the venues' word; none was asked where a run ended by another fault."""

    reports: Sequence[Report] = ()

    def lines(self, known: Mapping[str, Sequence[Order]], config: str) -> Iterator[str]:
        """In words: what is known to be cancelled or to rest, and what to do next.

        `known` are the orders that our own books say may rest, by account: told where no venue has said it.
        """
        told = {report.account: report for report in self.reports}
        for name, orders in known.items():
            report = told.get(name)
            if report is not None:
                yield from report.lines()
            if report is None or not report.verified:
                yield f"account {name}: what may rest, by our own books:" if orders else f"account {name}: {NOTHING}"
                yield from (f"  {in_words(order)}" for order in orders)
        yield from self._next(list(known), config)

    def _next(self, names: Sequence[str], config: str) -> Iterator[str]:
        why = '--why "..."'
        unsure = set(names) - {report.account for report in self.reports if report.done}
        left = [name for report in self.reports for name in report.left_orders if report.done]
        if unsure:
            yield f"next: tapeline halt --config {config} {why}   (until it is verified with the venue)"
            yield f"      tapeline watchdog --config {config}   (does so again and again by itself)"
        elif left:
            yield f'next: {len(left)} orders are left, by [trade] at_stop = "keep", and nobody watches them.'
            yield f"      To cancel them: tapeline halt --config {config} {why}"
        if self.reports:
            word = "then" if unsure or left else "next"
            yield f"{word}: mend what keeps the journal from being written, and"
            yield f"      tapeline resume --config {config} --who NAME {why}"


NOTHING = "no order may rest, by our own books"


async def aftermath(
    config: Config, names: Sequence[str], *, fetch: Fetch, clock: Clock, environ: Mapping[str, str],
    chance: Callable[[], float], say: Callable[[str], object], why: str,
) -> Aftermath:  # fmt: skip
    """Close the gates of these accounts, then cancel what rests, or look at it where the policy is to keep it.

    It takes no longer than an orderly stop may. What cannot be done is in the reports.
    """
    within_s = min(config.flatten.give_up_s, config.trade.stop_within_s)
    bounded = msgspec.structs.replace(config, flatten=msgspec.structs.replace(config.flatten, give_up_s=within_s))
    emergency = Emergency(
        config=bounded, fetch=fetch, clock=clock, environ=environ, chance=chance, say=say, notes=False
    )  # fmt: skip
    cancels = config.trade.at_stop == "cancel"
    reports = await emergency.stop(names, flatten=False, who=WHO, why=why, cancels=cancels)
    return Aftermath(reports=reports)


def in_words(order: Order) -> str:
    """An order as a person finds it at the venue."""
    size = "?" if order.left is None else plain(order.left)
    price = "" if order.price is None else f" at {plain(order.price)}"
    name = f"{order.client_id}, {order.state} when last heard of"
    return f"{order.intent.side} {size} {order.intent.instrument}{price}: {name}"
