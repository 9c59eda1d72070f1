from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.errors import ConfigError
from tapeline.sim.paper.keys import Key, accounts_of, amounts, balances_of, keys_of


def test_keys_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('[{"key":"a","secret":"b","balances":{"USDT":"5"}},{"key":"c","secret":"d","account":"x"}]')
    first, second = keys_of(path)
    assert (first.name, second.name, second.may_trade) == ("a", "x", True)
    assert amounts(first, {"EUR": Decimal(1)}) == {"USDT": Decimal(5)}
    assert amounts(second, {"EUR": Decimal(1)}) == {"EUR": Decimal(1)}


@pytest.mark.parametrize(
    ("text", "why"),
    [("[]", "no key in it"), ("{}", "no list of keys"), ('[{"key":"a"}]', "secret"), ("", "no list"),
     ('[{"key":"a","secret":"b"},{"key":"a","secret":"c"}]', "'a' is there twice")],
)  # fmt: skip
def test_a_file_that_is_no_list_of_keys(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=why):
        keys_of(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        keys_of(tmp_path / "none.json")


def test_balances_are_written_as_currency_and_amount() -> None:
    assert balances_of("usdt=100000, BTC=0.5,") == {"USDT": Decimal(100000), "BTC": Decimal("0.5")}
    assert balances_of("") == {}
    for wrong in ("USDT", "USDT=", "=5", "USDT=-1", "USDT=1,x=y"):
        with pytest.raises(ConfigError, match="USDT=100000,BTC=2"):
            balances_of(wrong)


def test_a_key_signs_and_does_not_show_its_secret() -> None:
    key = Key(key="visible", secret="hidden-away", passphrase="also-hidden", account="mine")
    assert "hidden" not in repr(key)
    credentials = key.credentials()
    assert "hidden" not in repr(credentials)
    assert credentials.sign(b"text").hex() == "fb76218e393744bd9a2d96c76f3356b0073577961d27f03a223b185ff28135e7"
    assert (credentials.passphrase is None, Key(key="a", secret="b").credentials().passphrase) == (False, None)


def test_keys_of_one_account_share_it() -> None:
    keys = [Key(key="a", secret="1", account="x"), Key(key="b", secret="2", account="x"), Key(key="c", secret="3")]
    assert {name: key.key for name, key in accounts_of(keys).items()} == {"x": "a", "c": "c"}
