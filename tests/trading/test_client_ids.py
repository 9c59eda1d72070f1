"""Names of our orders."""

import re

import pytest

from tapeline.errors import ConfigError
from tapeline.trading.client_ids import ClientIds


def test_ids_are_letters_and_digits_that_every_venue_takes() -> None:
    ids = ClientIds("bot1")
    names = [ids.next("Moving Average-cross of the long name") for _ in range(40)]

    assert len(set(names)) == 40
    assert all(re.fullmatch(r"[a-z0-9]{1,32}", name) for name in names)
    assert names[0] == "t4bot10000001movingaveragecrosso"[:32]
    assert names[36][6:13] == "0000011"


def test_an_instance_knows_its_own_and_no_other_s() -> None:
    short, long = ClientIds("bot"), ClientIds("bot0")
    mine, theirs = short.next("s"), long.next("s")

    assert (short.owns(mine), short.owns(theirs), long.owns(theirs), long.owns(mine)) == (True, False, True, False)
    assert not short.owns("")
    assert not short.owns("t3bot12")
    assert not short.owns("t3botABCDEFG")
    assert short.strategy_of(mine) == "s"
    assert short.strategy_of(theirs) == ""


def test_what_the_journal_has_is_never_given_again() -> None:
    before = ClientIds("bot")
    last = [before.next("s") for _ in range(5)][-1]
    after = ClientIds("bot")
    after.used(last)
    after.used("somebody else's")

    assert after.next("s")[5:12] == "0000006"


@pytest.mark.parametrize("name", ["", "muchtoolong", "Bot", "b-t"])
def test_a_name_that_makes_no_good_ids_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="small letters and digits"):
        ClientIds(name)
