"""All orders of all accounts: ours, and those of other origin apart. Fills count once; contradictions move no state.

Pure: the engine feeds in what it does and what venues say, in whatever order that comes.
"""

from collections.abc import Container, Iterator, Sequence
from decimal import Decimal
from typing import Self

import msgspec

from tapeline.errors import Broken
from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.number import ZERO
from tapeline.model.order import FINAL, Intent, Order
from tapeline.trading.accounting.once import Once
from tapeline.trading.applied import Applied, BlotterMemo, Lack, Named, Place
from tapeline.trading.client_ids import ClientIds
from tapeline.trading.command import Note
from tapeline.trading.input import Failed, Forget, Sent
from tapeline.trading.life import Life, Worst, note_of, told_of
from tapeline.trading.lists import Lists

NEVER = 1 << 63
NO_CLIENT_ID = "#"  # begins the handle of a claimed order that has no client id: it is addressed by its venue id


class Blotter:
    """The orders of one instance. `Intent.account` is the account's name by now, never ""."""

    def __init__(self, instance: str) -> None:
        self._ids = ClientIds(instance)
        self._ours: dict[str, Life] = {}  # claimed ones as well, by client id
        self._foreign: dict[Named, Life] = {}
        self._by_venue_id: dict[Named, Life] = {}
        self._counting: dict[Place, dict[int, Life]] = {}  # of which something may come
        self._forgotten = 0  # the number of the newest order of ours that is over and not here any more
        self._once = Once()
        self.lists = Lists()
        self._loose: dict[Named, list[Fill]] = {}  # fills of orders that nobody told us of

    # ---- over a restart ------------------------------------------------------------------------------------------

    def memo(self) -> BlotterMemo:
        """All of it, as it stands: write it down before the next call of another method."""
        tables = (
            self._ours.values(),
            self._foreign.values(),
            self._by_venue_id.values(),
            *(tied for _, tied in self.lists.items()),
        )
        lives = {id(life): life for table in tables for life in table}
        for table in self._counting.values():
            lives |= table
        at = {name: number for number, name in enumerate(lives)}
        return BlotterMemo(
            counter=self._ids.counter, forgotten=self._forgotten,
            lives=list(lives.values()), once=self._once, loose=self._loose,
            ours={key: at[id(life)] for key, life in self._ours.items()},
            foreign={key: at[id(life)] for key, life in self._foreign.items()},
            by_venue_id={key: at[id(life)] for key, life in self._by_venue_id.items()},
            counting={key: [at[id(life)] for life in table.values()] for key, table in self._counting.items()},
            lists={name: [at[id(life)] for life in tied] for name, tied in self.lists.items()},
        )  # fmt: skip

    @classmethod
    def recall(cls, instance: str, memo: BlotterMemo) -> Self:
        """The blotter that gave this memo. Raises Broken where its tables name orders that it does not hold."""
        blotter, lives = cls(instance), memo.lives
        blotter._ids.go_on(memo.counter)
        blotter._once, blotter._loose, blotter._forgotten = memo.once, memo.loose, memo.forgotten
        try:
            blotter._ours = {key: lives[at] for key, at in memo.ours.items()}
            blotter._foreign = {key: lives[at] for key, at in memo.foreign.items()}
            blotter._by_venue_id = {key: lives[at] for key, at in memo.by_venue_id.items()}
            for place, numbers in memo.counting.items():
                blotter._counting[place] = {id(lives[at]): lives[at] for at in numbers}
            for name, numbers in memo.lists.items():
                blotter.lists.tie(name, [lives[at] for at in numbers])
        except IndexError as error:
            raise Broken(f"a memo of {len(lives)} orders names others") from error
        return blotter

    # ---- what we do ----------------------------------------------------------------------------------------------

    def next_id(self, strategy: str) -> str:
        """A client id that was never given before."""
        return self._ids.next(strategy)

    def owns(self, client_id: str) -> bool:
        """Whether an id is of this instance's making."""
        return self._ids.owns(client_id)

    def intend(self, client_id: str, intent: Intent, now_ns: int) -> Order:
        """An order is about to be journalled, and then sent. Raises Broken for an id that is taken."""
        if client_id in self._ours:
            raise Broken(f"{client_id} is the id of another order")
        self._ids.used(client_id)
        order = Order(
            client_id=client_id, intent=intent, size=intent.size, price=intent.price, created_ns=now_ns,
            updated_ns=now_ns,
        )  # fmt: skip
        self._keep(Life(order))
        return order

    def revise(self, client_id: str, intent: Intent, now_ns: int) -> Order:
        """An order that was not sent yet is wanted otherwise. Raises Broken for any other."""
        life = self._ours.get(client_id)
        if life is None or life.order.state != "intended":
            raise Broken(f"{client_id} is no order of ours that waits")
        life.revise(intent, now_ns)
        return life.order

    def tie(self, name: str, client_ids: Sequence[str]) -> None:
        """These are about to be sent as one list of this name. Raises Broken for an id that is no order of ours."""
        self._ids.used(name)
        try:
            self.lists.tie(name, [self._ours[each] for each in client_ids])
        except KeyError as error:
            raise Broken(f"list {name}: {error} is no order of ours") from error

    def asked(
        self, client_id: str, what: str, now_ns: int, size: Decimal | None = None, price: Decimal | None = None
    ) -> Order:
        """A "cancel" or an "amend" (to this total size, this price) is about to be sent; final orders stay as they are.

        Raises Broken for an id that is no order of ours.
        """
        life = self._ours.get(client_id)
        if life is None:
            raise Broken(f"{client_id} is no order of ours")
        life.ask(what, now_ns, size, price)
        return life.order

    def claim(self, account: str, instrument: str, venue_id: str, now_ns: int, strategy: str = "") -> Order | None:
        """Take an order of other origin as ours, from now on to be cancelled and amended; None where there is none.

        Its handle is its client id; where it has none, or one that is taken, `#` and its venue id.
        """
        life = self._foreign.pop((account, instrument, venue_id), None)
        if life is None:
            return None
        handle = life.order.client_id
        if not handle or handle in self._ours:
            handle = NO_CLIENT_ID + venue_id
        intent = msgspec.structs.replace(life.order.intent, strategy=strategy)
        life.order = msgspec.structs.replace(
            life.order, client_id=handle, claimed=True, intent=intent, updated_ns=now_ns
        )
        self._ours[handle] = life
        return life.order

    def doubt(self, now_ns: int, why: str, account: str | None = None, sparing: Container[str] = ()) -> list[Order]:
        """After a restart, or a loss of answers: all that is in flight is unknown until the venue says.

        `sparing`: client ids of what certainly was not sent.
        """
        lives = [
            life
            for client_id, life in self._ours.items()
            if account in (None, life.order.intent.account) and client_id not in sparing
        ]
        return [life.order for life in lives if life.doubt(now_ns, why)]

    # ---- what comes back -----------------------------------------------------------------------------------------

    def apply(self, news: OrderUpdate | Fill | Sent | Failed, now_ns: int) -> Applied:
        """Take news of an order; what it changed."""
        if isinstance(news, Fill):
            return self._filled(news, now_ns)
        life = self._find(news) if isinstance(news, OrderUpdate) else self._ours.get(news.client_id)
        before = life.order if life is not None else None
        if life is None:
            if not isinstance(news, OrderUpdate):
                return Applied(
                    notes=(
                        Note(
                            "order", "", f"{news.client_id}: {news.what} of an order that is not here", news.client_id
                        ),
                    )
                )
            if news.state in FINAL and self.forgotten(news.client_id):
                return Applied()  # it was over when it was forgotten
            life = self._adopt(news, now_ns)
        if isinstance(news, OrderUpdate):
            odd = life.told(news, now_ns)
        else:
            odd = life.sent(news, now_ns) if isinstance(news, Sent) else life.failed(news, now_ns)
        return self._applied(life, before, odd, now_ns)

    # ---- questions -----------------------------------------------------------------------------------------------

    def order(self, client_id: str) -> Order | None:
        """One of ours."""
        life = self._ours.get(client_id)
        return life.order if life is not None else None

    def most(self, client_id: str) -> Decimal | None:
        """What may still be filled of one of ours, at the larger size where an amend is out; None: the venue knows."""
        life = self._ours.get(client_id)
        return life.most if life is not None else ZERO

    def group(self, name: str) -> list[Order]:
        """All orders whose intents carry this name, whatever became of them."""
        return [life.order for life in self._ours.values() if name and life.order.intent.group == name]

    def by_venue_id(self, account: str, instrument: str, venue_id: str) -> Order | None:
        """One of ours, or of other origin, by any id that the venue gave it."""
        life = self._by_venue_id.get((account, instrument, venue_id))
        return life.order if life is not None else None

    def live(
        self, account: str | None = None, instrument: str | None = None, strategy: str | None = None
    ) -> list[Order]:
        """Orders of ours that are not final, oldest first."""
        return [
            life.order
            for life in self._where(account, instrument)
            if life.order.claimed and not life.order.final and strategy in (None, life.order.intent.strategy)
        ]

    def instruments(self, account: str) -> set[str]:
        """Where it has orders of ours, or had and they are not forgotten."""
        return {each.order.intent.instrument for each in self._ours.values() if each.order.intent.account == account}

    def foreign(self, account: str | None = None, instrument: str | None = None) -> list[Order]:
        """Orders of other origin that are not final: shown, and left alone."""
        return [life.order for life in self._where(account, instrument) if not (life.order.claimed or life.order.final)]

    def contradicted(self) -> list[Order]:
        """Final orders that are alive by a later word of the venue: look, and cancel them there."""
        return [life.order for life in self._where(None, None) if life.contradicted]

    def lacking(self, now_ns: int, after_ns: int = 0) -> list[Lack]:
        """Orders of which fills are missing, known for `after_ns`: ask the venue for its fills."""
        return [
            Lack(life.order, life.lacking, life.lacking_since_ns)
            for life in self._where(None, None)
            if life.lacking_since_ns is not None and now_ns - life.lacking_since_ns >= after_ns
        ]

    def waive(self, account: str, now_ns: int) -> list[Order]:
        """A person accepts that fills are missing which the venue told of: they are no longer to come."""
        lives = [life for life in list(self._where(account, None)) if life.lacking_since_ns is not None]
        for life in lives:
            life.waive(now_ns)
            self._count(life)
        return [life.order for life in lives]

    def knows(self, fill: Fill) -> bool:
        """Whether this fill was counted."""
        return fill in self._once

    def worst(self, account: str, instrument: str, strategy: str | None = None, position: str | None = None) -> Worst:
        """What may still be filled on either side, beyond the fills that we have.

        Every order counts that is not certainly over, an unknown one and one being cancelled included, at the larger
        size where an amend is out, and those of other origin too; fills that the venue told of and we do not have
        count as to come. Reduce-only orders do not: they cannot open or turn a position. Their missing fills do: where
        the venue closed what we still hold, an order that turns it would only open. A list counts once.
        """
        lives = (
            life
            for life in self._where(account, instrument)
            if position in (None, life.order.intent.position)
            and (strategy is None or (life.order.claimed and strategy == life.order.intent.strategy))
        )
        return self.lists.worst(lives)

    # ---- what is over --------------------------------------------------------------------------------------------

    def forgotten(self, client_id: str) -> bool:
        """Whether this is an order of ours that is over, and was forgotten."""
        return client_id not in self._ours and 0 < self._ids.number(client_id) <= self._forgotten

    def over(self, account: str, before_ns: int) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        """What `forget` takes of orders that ended before then, by our clock: ours, and those of other origin."""
        alive = self._tied(account)
        return (
            tuple(key for key, life in self._ours.items() if self._is_over(life, account, alive, before_ns)),
            tuple(key[1:] for key, life in self._foreign.items() if self._is_over(life, account, alive, before_ns)),
        )

    def forget(self, forget: Forget) -> int:
        """Drop these orders where nothing may come of them still, and what is older than its line; how many."""
        account, alive = forget.account, self._tied(forget.account)
        keys = [key for key in forget.orders if self._is_over(self._ours.get(key), account, alive)]
        names = [(account, *key) for key in forget.foreign]
        names = [key for key in names if self._is_over(self._foreign.get(key), account, alive)]
        gone = {id(life): life for life in map(self._ours.pop, keys)}
        gone |= {id(life): life for life in map(self._foreign.pop, names)}
        self._by_venue_id = {name: life for name, life in self._by_venue_id.items() if id(life) not in gone}
        self.lists.forget(gone)
        self._forgotten = max([self._forgotten, *map(self._ids.number, keys)])
        self._once.forget(account, forget.before_ns)
        for name in [each for each in self._loose if each[0] == account]:
            self._loose[name] = [fill for fill in self._loose[name] if (fill.at_ns or 0) >= forget.before_ns]
            if not self._loose[name]:
                del self._loose[name]
        return len(gone)

    # ---- within --------------------------------------------------------------------------------------------------

    def _tied(self, account: str) -> set[str]:
        """Groups of which an order is not over: whoever looks after one asks for all of it."""
        return {life.order.intent.group for life in self._where(account, None)} - {""}

    def _is_over(self, life: Life | None, account: str, alive: Container[str], before_ns: int = NEVER) -> bool:
        if life is None or life.counts or life.order.updated_ns >= before_ns:
            return False
        return life.order.intent.account == account and life.order.intent.group not in alive

    def _filled(self, fill: Fill, now_ns: int) -> Applied:
        news = self._once.offer(fill)
        life = self._find(fill)
        if news != "new":
            return Applied(fill=news, order=life.order if life is not None else None)
        if life is None:
            name = (fill.account, fill.instrument or "", fill.venue_id)
            self._loose.setdefault(name, []).append(fill)
            if self.forgotten(fill.client_id):
                text = f"{fill.instrument} {fill.client_id}: fill {fill.id} of an order that is over and forgotten"
                return Applied((), (Note("order", fill.account, text, fill.client_id),), fill=news)
            return Applied(fill=news)
        before = life.order
        odd = life.filled(fill, now_ns)
        return self._applied(life, before, odd, now_ns, fill=news)

    def _applied(self, life: Life, before: Order | None, odd: str, now_ns: int, fill: str = "") -> Applied:
        notes = [note_of(life.order, odd)] if odd else []
        notes += self._name(life, now_ns)
        self._count(life)
        changed = (life.order,) if before is None or life.order is not before else ()
        return Applied(orders=changed, notes=tuple(notes), fill=fill, order=life.order)

    def _find(self, news: OrderUpdate | Fill) -> Life | None:
        life = self._ours.get(news.client_id) if news.client_id else None
        if life is not None and life.order.intent.account == news.account:
            return life
        return self._by_venue_id.get((news.account, news.instrument or "", news.venue_id))

    def _adopt(self, update: OrderUpdate, now_ns: int) -> Life:
        """An order we did not intend: of other origin, or ours where the journal is lost."""
        ours = self._ids.owns(update.client_id)
        self._ids.used(update.client_id)
        life = Life(told_of(update, self._ids.strategy_of(update.client_id), ours=ours))
        self._keep(life)
        life.order = msgspec.structs.replace(life.order, created_ns=0 if update.at_ns is None else update.at_ns)
        self._name(life, now_ns)
        return life

    def _keep(self, life: Life) -> None:
        order = life.order
        if order.claimed:
            self._ours[order.client_id] = life
        else:
            self._foreign[order.intent.account, order.intent.instrument, order.venue_id or order.client_id] = life
        self._count(life)

    def _name(self, life: Life, now_ns: int) -> list[Note]:
        """Find it by its venue id too, and give it the fills that came before anybody told of it."""
        order = life.order
        name = (order.intent.account, order.intent.instrument, order.venue_id)
        if not order.venue_id or self._by_venue_id.get(name) is life:
            return []
        self._by_venue_id[name] = life
        loose = self._loose.pop(name, [])
        odd = [life.filled(fill, now_ns) for fill in loose]
        if loose and order.claimed:
            odd.append(f"{len(loose)} fills came before it was known whose they are: they stand with no strategy")
        return [note_of(life.order, text) for text in odd if text]

    def _count(self, life: Life) -> None:
        place = (life.order.intent.account, life.order.intent.instrument)
        if life.counts:
            self._counting.setdefault(place, {})[id(life)] = life
        elif place in self._counting:
            self._counting[place].pop(id(life), None)

    def _where(self, account: str | None, instrument: str | None) -> Iterator[Life]:
        if account is not None and instrument is not None:
            yield from self._counting.get((account, instrument), {}).values()
            return
        for place, lives in self._counting.items():
            if account in (None, place[0]) and instrument in (None, place[1]):
                yield from lives.values()
