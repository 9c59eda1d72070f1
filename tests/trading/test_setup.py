import pytest

from engine_fixtures import BTC
from tapeline.errors import ConfigError
from tapeline.trading.setup import Abilities, Account, Setup

SETUP = Setup(
    accounts={name: Account(name=name, venue=venue) for name, venue in (("a", "sim"), ("b", "sim"), ("c", "other"))},
    instruments={BTC.id: BTC}, abilities={"sim": Abilities(kinds=frozenset({"stop"}))},
)  # fmt: skip


def test_an_account_is_named_or_the_only_one_of_its_venue() -> None:
    assert SETUP.account_of("other:X/Y", "").name == "c"
    assert SETUP.account_of(BTC.id, "b").name == "b"
    with pytest.raises(ConfigError, match="say which account"):
        SETUP.account_of(BTC.id, "")
    with pytest.raises(ConfigError, match="no account 'd'"):
        SETUP.account_of(BTC.id, "d")
    with pytest.raises(ConfigError, match="is one of other"):
        SETUP.account_of(BTC.id, "c")


def test_a_venue_of_which_nothing_is_said_takes_market_and_limit_orders() -> None:
    assert SETUP.able("sim").kinds == {"stop"}
    assert SETUP.able("other") == Abilities()
