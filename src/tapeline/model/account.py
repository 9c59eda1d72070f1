"""What a venue says of an account: orders, fills, balances, positions. Events like those of the market.

After the five fields of every event comes `account`, the name it has with us (`[account.NAME]`).
"""

from decimal import Decimal

import msgspec


class _AccountEvent(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    instrument: str | None
    channel: str
    at_ns: int | None
    received_ns: int
    source: str  # ws | rest | paper
    account: str


class OrderUpdate(_AccountEvent, frozen=True, gc=False, tag="order_update", kw_only=True):
    """The venue's word on one order; channel "orders". `state` is a state of `model.order`.

    A field the venue does not give is None or ""; `filled` is cumulative. `origin` is "" for an order anybody placed,
    else what the venue itself placed it for: liquidation | adl | settlement. `reason` is one of REASONS.
    """

    client_id: str
    venue_id: str
    state: str
    side: str = ""
    kind: str = ""
    size: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    filled: Decimal | None = None
    average: Decimal | None = None  # of what is filled
    time_in_force: str = ""
    post_only: bool = False
    reduce_only: bool = False
    position: str = "net"
    why: str = ""  # the venue's own words
    reason: str = ""
    origin: str = ""
    triggered: bool = False  # of one that waited for a price: it has come
    list_id: str = ""  # the venue's id of the order list it is of


class ListUpdate(_AccountEvent, frozen=True, gc=False, tag="list_update", kw_only=True):
    """The venue's word on an order list; channel "orders". Its orders tell of themselves, each by its own updates.

    `client_id` is ours, `list_id` the venue's; `orders` are (client id, venue id) of each. `state`: open | done |
    rejected (a call about it was refused, which says nothing of its orders).
    """

    list_id: str
    client_id: str
    state: str
    kind: str = "oco"  # oco | oto
    orders: tuple[tuple[str, str], ...] = ()
    why: str = ""


class Fill(_AccountEvent, frozen=True, gc=False, tag="fill", kw_only=True):
    """One fill; channel "fills". `id` is the venue's trade id, unique per instrument: a fill seen twice is one fill.

    `fee` is positive where it was paid, negative where it was given, None where the venue says nothing yet.
    """

    id: str
    client_id: str
    venue_id: str
    side: str
    price: Decimal
    size: Decimal
    fee: Decimal | None = None
    fee_currency: str = ""
    liquidity: str = ""  # maker | taker | ""
    realised: Decimal | None = None  # the venue's own figure, in settle currency
    position: str = "net"
    origin: str = ""


class Balance(_AccountEvent, frozen=True, gc=False, tag="balance", kw_only=True):
    """What is held of a currency; channel "balances", `instrument` is None. Absolute. A field unsaid is None.

    `total` is the wallet balance: without unrealised profit. `reason` is the venue's word for the change.
    """

    currency: str
    total: Decimal | None = None
    free: Decimal | None = None
    locked: Decimal | None = None
    reason: str = ""  # fill | funding | transfer | fee | adjustment | ""


class Position(_AccountEvent, frozen=True, gc=False, tag="position", kw_only=True):
    """A position; channel "positions". `size` is negative where it is short, in hedge mode too; zero: closed."""

    size: Decimal
    position: str = "net"  # net | long | short
    entry_price: Decimal | None = None
    mark_price: Decimal | None = None
    unrealised: Decimal | None = None
    liquidation_price: Decimal | None = None
    leverage: Decimal | None = None
    margin_mode: str = ""  # cross | isolated


class Payment(_AccountEvent, frozen=True, gc=False, tag="payment", kw_only=True):
    """A change of balance that no fill explains; channel "payments". `id` is the venue's, "" where it gives none."""

    id: str
    currency: str
    amount: Decimal  # negative: paid
    kind: str  # funding | transfer | fee | rebate | liquidation | adjustment


class AccountMode(_AccountEvent, frozen=True, gc=False, tag="account_mode", kw_only=True):
    """How the account is set up; channel "account". `hedge`: long and short are held side by side."""

    hedge: bool = False
    may_trade: bool = True
    level: str = ""  # the venue's own word for the kind of account


AccountEvent = OrderUpdate | ListUpdate | Fill | Balance | Position | Payment | AccountMode
