"""Objects of ccxt's as we want them: exact, quiet, on the right network, with keys. ccxt is imported here alone."""

import asyncio
import difflib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import CodeType
from typing import Any
from urllib.parse import urlsplit

from tapeline.errors import ConfigError
from tapeline.venues.ccxt import Place
from tapeline.wire.ccxt.exact import with_exact_numbers

INSTALL = "pip install tapeline[ccxt]"
NEEDS = ("createOrder", "cancelOrder", "fetchOpenOrders", "fetchBalance", "fetchMyTrades")
CLIENT_ID = "clientOrderId"
MOST_TEXT = 500
_QUERY = re.compile(r"\?[^\s\"']+")
# Of no tree, so that nobody's settings reach it: what ccxt logs holds keys and signatures.
_log = logging.Logger("tapeline.ccxt", logging.WARNING)  # noqa: LOG001  # see above


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What is configured of a venue behind ccxt: another host for REST or WebSockets, and settings of ccxt's own."""

    rest_url: str | None = None
    ws_url: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


class No(Exception):
    """A no of ours, before anything is sent: `says` is a name of `venues.ccxt.refusals.TABLE`."""

    def __init__(self, says: str, text: str) -> None:
        super().__init__(text)
        self.says = says


async def made(place: Place, reach: Reach, *, within_s: float) -> Any:
    """A new object for this exchange, without keys and markets. Raises ConfigError; close it after use."""
    cls = await asyncio.to_thread(_class_of, place.exchange)
    settings = dict(reach.settings)
    options = {
        "defaultType": place.kind, "warnOnFetchOpenOrdersWithoutSymbol": False, "adjustForTimeDifference": True,
        **settings.pop("options", {}),
    }  # fmt: skip
    exchange = cls({"enableRateLimit": True, "timeout": round(within_s * 1000), "options": options, **settings})
    exchange.logger = _log
    with_exact_numbers(exchange, str)
    if place.sandbox:
        try:
            exchange.set_sandbox_mode(True)
        except Exception as error:
            raise ConfigError(
                f"{place.venue}: ccxt knows no test network of {place.exchange} ({error}): set testnet = false"
            ) from error
    if reach.rest_url or reach.ws_url:
        exchange.urls["api"] = _pointed(exchange.urls["api"], reach)
    return exchange


def let_in(exchange: Any, keys: Mapping[str, str]) -> None:
    """Give it an account's keys, by what this exchange calls them. Raises ConfigError where more is needed."""
    needs = exchange.requiredCredentials
    key, secret = keys.get("key", ""), keys.get("secret", "")
    exchange.apiKey, exchange.secret, exchange.password = key, secret, keys.get("passphrase") or None
    if needs.get("walletAddress"):
        exchange.walletAddress, exchange.privateKey = key, secret
    elif needs.get("privateKey"):
        exchange.privateKey = secret
    try:
        exchange.check_required_credentials()
    except Exception as error:
        raise ConfigError(f"{scrubbed(str(error), keys)}: the account has too few keys for it") from error


def check_able(exchange: Any, venue: str) -> None:
    """Raises ConfigError where an account there could not be kept as ours are: it is said before anything is sent."""
    lacks = [name for name in NEEDS if not exchange.has.get(name)]
    if lacks:
        raise ConfigError(f"{venue} cannot be traded: ccxt has no {', '.join(lacks)} there")
    if not knows_client_ids(exchange, "create", "order"):
        raise ConfigError(
            f"{venue} cannot be traded: ccxt carries no client order ids there, without which an order whose answer "
            "is lost could not be found again"
        )


def knows_client_ids(exchange: Any, *parts: str) -> bool:
    """Whether methods of this exchange's own adapter, whose names hold these parts, read `clientOrderId`.

    ccxt has no flag for it: what its code names is the only word on it.
    """
    adapter: Any = type(exchange)
    return _reads_client_ids(adapter, parts)


@cache
def _reads_client_ids(adapter: type, parts: tuple[str, ...]) -> bool:
    for cls in adapter.__mro__:
        if cls.__module__.startswith(("ccxt.base", "ccxt.async_support.base")) or cls is object:
            continue
        for name, method in vars(cls).items():
            code = getattr(method, "__code__", None)
            if code is not None and all(part in name for part in parts) and _names_it(code):
                return True
    return False


def _names_it(code: CodeType) -> bool:
    return any(each == CLIENT_ID or (isinstance(each, CodeType) and _names_it(each)) for each in code.co_consts)


def names_of(error: BaseException) -> list[str]:
    """The classes of an error, nearest first; before them, those of its cause where it says that nothing was sent."""
    own = [cls.__name__ for cls in type(error).__mro__ if cls not in {Exception, BaseException, object}]
    cause = error.__cause__ or error.__context__
    below = [cls.__name__ for cls in type(cause).__mro__] if cause is not None else []
    unsent = [name for name in ("ClientConnectorError", "gaierror") if name in below]
    return [*unsent, *([error.says] if isinstance(error, No) else own)]


def scrubbed(said: str, keys: Mapping[str, str]) -> str:
    """Words of ccxt's without keys, and without the queries of addresses: signatures are in them."""
    said = _QUERY.sub("?***", said)
    for secret in keys.values():
        if secret:
            said = said.replace(secret, "***")
    return said[:MOST_TEXT]


def _class_of(name: str) -> Any:
    try:
        pro = import_module("ccxt.pro")
        rest = import_module("ccxt.async_support")
    except ImportError as error:
        raise ConfigError(f"ccxt-{name}: ccxt is not installed: {INSTALL}") from error
    known = [*pro.exchanges, *rest.exchanges]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        raise ConfigError(f"ccxt has no exchange {name!r}" + (f": did you mean ccxt-{near[0]}?" if near else ""))
    return getattr(pro if name in pro.exchanges else rest, name)


def _pointed(node: Any, reach: Reach) -> Any:
    """Every address with scheme, host and port of another; paths stay."""
    if isinstance(node, dict):
        return {key: _pointed(value, reach) for key, value in node.items()}
    if not isinstance(node, str) or "://" not in node:
        return node
    parts = urlsplit(node)
    onto = reach.ws_url if parts.scheme in {"ws", "wss"} else reach.rest_url
    return node if not onto else onto.rstrip("/") + parts.path
