"""Accounts on paper: one exchange a venue, in this process, fed with the market that strategies hear."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tapeline.app.instance import Instance
from tapeline.app.trade.flattening import PaperHand
from tapeline.app.trade.paper import Latency
from tapeline.app.trade.paper_gateway import PaperGateway
from tapeline.app.trade.paper_world import balances_of, deposits, gone_with_a_restart, paper_exchange
from tapeline.app.trade.reconciling import Reconciler
from tapeline.clock import Clock
from tapeline.config import Config
from tapeline.model.channel import channel as parse_channel
from tapeline.model.instrument import Instrument, split_id
from tapeline.trading.accounting.once import NEAR_NS
from tapeline.trading.input import Forget
from tapeline.trading.restore import Restored
from tapeline.trading.setup import Setup
from tapeline.watch.hand import Hand


class PaperSide:
    """The venues of a run on paper. See `trading.Side`."""

    mode = "paper"

    def __init__(
        self, config: Config, setup: Setup, restored: Restored, *, clock: Clock, tell: Callable[[Any], None]
    ) -> None:
        self._config, self._setup, self._restored, self._clock = config, setup, restored, clock
        self.gateways: dict[str, PaperGateway] = {}
        self.papers: dict[str, PaperGateway] = {}
        for venue in dict.fromkeys(account.venue for account in setup.accounts.values()):
            own = [account for account in setup.accounts.values() if account.venue == venue]
            listed = {name: each for name, each in setup.instruments.items() if each.venue == venue}
            exchange = paper_exchange(listed, config.trade, own, restored.ledger)
            latency = Latency(send_ns=round(config.trade.send_ms * 1e6), answer_ns=round(config.trade.answer_ms * 1e6))
            paper = PaperGateway(exchange, restored.blotter, clock=clock, tell=tell, latency=latency)
            self.papers[venue] = paper
            self.gateways |= dict.fromkeys((account.name for account in own), paper)
        self.hands: Mapping[str, Hand] = {
            name: PaperHand(name, paper, restored.ledger, clock) for name, paper in self.gateways.items()
        }

    def hold(self, _account: str) -> str:
        """See `trading.Side`: nothing that is in this process has to be waited for."""
        return ""

    def settled_ns(self, _account: str) -> int:
        """See `trading.Side`: an exchange in this process tells all within its latency."""
        return self._clock.wall_ns() - NEAR_NS

    def forget(self, what: Forget) -> None:
        """See `trading.Side`."""
        self.gateways[what.account].venue.exchange.forget(what.account, what.before_ns)

    def relist(self, new: Instrument) -> None:
        """See `trading.Side`."""
        self.papers[new.venue].venue.exchange.relist(new)

    def begin(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[Any]]:
        """See `trading.Side`."""
        return [tasks.create_task(each.run(), name=f"paper {name}") for name, each in self.papers.items()]

    def what_is(self, now_ns: int) -> Iterator[Any]:
        """See `trading.Side`: what new accounts begin with, and what went with the run before."""
        ledger, blotter = self._restored.ledger, self._restored.blotter
        for name, paper in self.gateways.items():
            if not ledger.balances(name):
                yield from deposits(name, self._config.trade.balances, now_ns)
            yield from balances_of(paper.venue.exchange, name, now_ns)
            yield from gone_with_a_restart(blotter, name, self._restored.held, now_ns)

    async def ready(self, _within_s: float) -> None:
        """See `trading.Side`."""

    async def leave(self) -> None:
        """See `trading.Side`: nothing outlives this process."""

    def listen(self, instance: Instance, feeds: Mapping[str, Sequence[str]]) -> None:
        """See `trading.Side`: the market goes to the paper venues first, and then to the engine."""
        for instrument, channels in feeds.items():
            paper = self.papers[split_id(instrument)[0]]
            for of in dict.fromkeys(str(parse_channel(each).wire) for each in channels):
                instance.on(paper.market, instrument=instrument, of=of)
                instance.on_book_state(paper.market, instrument=instrument, of=of)

    def statistics(self) -> dict[str, Any]:
        """See `trading.Side`."""
        return {}

    def reconcilers(self) -> dict[str, Reconciler]:
        """See `trading.Side`: an exchange in this process has nothing to be compared with."""
        return {}
