"""Order calls of a venue, carried out at a paper exchange."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from tapeline.errors import OrderRefused
from tapeline.model.account import AccountEvent, Fill, ListUpdate, OrderUpdate
from tapeline.model.interval import SECOND_NS
from tapeline.sim.paper.streams import Streams
from tapeline.trading.paper.exchange import Exchange
from tapeline.venues.orders import ListenKey, OrderAnswer, OrderAsk

CHANGES = frozenset({"place", "place_list", "amend", "cancel", "cancel_list", "cancel_all"})


@dataclass(frozen=True, slots=True)
class Done:
    """What the call is answered with, and what the private streams tell."""

    answers: Sequence[OrderAnswer]
    told: Sequence[AccountEvent] = ()


class Desk:
    """One method a call, by the names of `OrderAsk.call`. Each raises OrderRefused."""

    def __init__(self, exchange: Exchange, streams: Streams) -> None:
        self._exchange, self._streams = exchange, streams
        self._calls: Mapping[str, Callable[[str, OrderAsk, int], Done]] = {
            "place": self._place, "amend": self._amend, "cancel": self._cancel, "cancel_all": self._cancel_all,
            "place_list": self._place_list, "cancel_list": self._cancel_list, "list": self._list,
            "open_lists": self._open_lists, "closed_lists": self._lists, "order": self._order,
            "open_orders": self._open_orders, "closed_orders": self._closed_orders,
            "fills": self._fills, "balances": self._balances, "positions": self._positions,
            "payments": self._payments, "mode": self._mode, "position_mode": self._mode, "dead_man": self._dead_man,
            "leverage": self._leverage, "listen_key": self._listen_key, "listen_key_alive": self._listen_key,
            "listen_key_close": self._close_key,
        }  # fmt: skip

    def perform(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        """Do it. Answers of place, amend and cancel are the order's fills and, last, its state.

        Of a list: those of each of its orders, and last its own; a cancel of one order cancels the others of its list.
        """
        call = self._calls.get(ask.call)
        if call is None:
            raise OrderRefused(f"a paper exchange does not know {ask.call}", reason="unsupported")
        return call(account, ask, now_ns)

    def state(self, account: str, channel: str) -> Sequence[AccountEvent]:
        """All of a private channel as it is now."""
        if channel == "balances":
            return self._exchange.balances(account)
        if channel == "positions":
            return self._exchange.positions(account)
        return ()

    # ---- orders

    def _place(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        if ask.intent is None:
            raise OrderRefused("there is no order in it", reason="parameter")
        told = self._exchange.place(account, ask.client_id, replace(ask.intent, account=account), now_ns)
        return _about_one(told)

    def _amend(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        client_id = self._client_id(account, ask)
        return _about_one(self._exchange.amend(account, client_id, ask.size, ask.price, now_ns))

    def _cancel(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        told = self._exchange.cancel(account, self._client_id(account, ask), now_ns)
        return _about_list(told) if any(isinstance(event, ListUpdate) for event in told) else _about_one(told)

    def _place_list(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        legs = [(leg.client_id, replace(leg.intent, account=account)) for leg in ask.legs]
        return _about_list(self._exchange.place_list(account, ask.client_id, legs, now_ns))

    def _cancel_list(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        return _about_list(self._exchange.cancel_list(account, ask.client_id, ask.venue_id, now_ns))

    def _cancel_all(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        if not ask.venue_ids:
            told = self._exchange.cancel_all(account, _instrument(ask), now_ns)
        else:
            told = []
            clients = self._exchange.account(account).clients
            for name in (clients.get(venue_id, "") for venue_id in ask.venue_ids):
                if name in self._exchange.account(account).open:
                    told += self._exchange.cancel(account, name, now_ns)
        return Done([event for event in told if isinstance(event, OrderUpdate | ListUpdate)], told)

    def _client_id(self, account: str, ask: OrderAsk) -> str:
        return ask.client_id or self._exchange.account(account).clients.get(ask.venue_id, f"?{ask.venue_id}")

    # ---- lists

    def _order(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        del now_ns
        return Done([self._exchange.order(account, ask.client_id, ask.venue_id)])

    def _open_orders(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        del now_ns
        return Done(self._exchange.open_orders(account, _instrument(ask)))

    def _closed_orders(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        del now_ns
        still = set(self._exchange.account(account).open)
        return Done([one for one in self._exchange.orders(account, _instrument(ask)) if one.client_id not in still])

    def _list(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        return Done([self._exchange.account(account).listing(ask.client_id, ask.venue_id).update(now_ns)])

    def _open_lists(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        del ask, now_ns
        return Done([each for each in self._exchange.lists(account) if each.state == "open"])

    def _lists(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        del ask, now_ns
        return Done(self._exchange.lists(account))

    def _fills(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        del now_ns
        venue_id = ask.venue_id or (self._exchange.order(account, ask.client_id).venue_id if ask.client_id else "")
        found = self._exchange.fills(
            account, _instrument(ask), after_id=ask.from_id, from_ns=ask.from_ns, to_ns=ask.to_ns, venue_id=venue_id,
            limit=None if ask.page else ask.limit,  # of a page the venue's half knows where it begins
        )  # fmt: skip
        return Done(found)

    def _balances(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        del ask, now_ns
        return Done(self._exchange.balances(account))

    def _positions(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        del now_ns
        return Done(self._exchange.positions(account, _instrument(ask)))

    def _payments(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        del now_ns
        return Done(self._exchange.payments(account, from_ns=ask.from_ns, to_ns=ask.to_ns))

    # ---- the account

    def _mode(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        del now_ns
        if ask.hedge is not None:
            self._exchange.set_mode(account, hedge=ask.hedge)
        return Done([self._exchange.mode(account)])

    def _dead_man(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        at_ns = now_ns + ask.countdown_s * SECOND_NS if ask.countdown_s else None
        self._exchange.dead_man(account, _instrument(ask), at_ns)
        return Done([])

    def _leverage(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        del now_ns
        if ask.instrument is None or ask.leverage is None:
            raise OrderRefused("it says neither of what nor how much", reason="parameter")
        self._exchange.set_leverage(account, ask.instrument.id, ask.leverage)
        return Done([])

    def _listen_key(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        return Done([ListenKey(self._streams.listen_key(account, ask.listen_key, now_ns))])

    def _close_key(self, account: str, ask: OrderAsk, now_ns: int) -> Done:
        del now_ns
        self._streams.close_key(account, ask.listen_key)
        return Done([])


def _instrument(ask: OrderAsk) -> str | None:
    return None if ask.instrument is None else ask.instrument.id


def _about_one(told: Sequence[AccountEvent]) -> Done:
    """What is told of the order a call was about: its fills and, last, its state."""
    updates = [event for event in told if isinstance(event, OrderUpdate)]
    name = updates[0].client_id
    fills = [event for event in told if isinstance(event, Fill) and event.client_id == name]
    return Done([*fills, next(event for event in reversed(updates) if event.client_id == name)], told)


def _about_list(told: Sequence[AccountEvent]) -> Done:
    """What is told of each order of a list, its fills before it, and last how the list stands."""
    lists = [event for event in told if isinstance(event, ListUpdate)]
    names = [client_id for client_id, _ in lists[-1].orders]
    last = {event.client_id: event for event in told if isinstance(event, OrderUpdate)}
    fills = [event for event in told if isinstance(event, Fill) and event.client_id in names]
    return Done([*fills, *(last[name] for name in names if name in last), lists[-1]], told)
