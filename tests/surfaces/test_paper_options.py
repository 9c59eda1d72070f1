from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.errors import ConfigError
from tapeline.surfaces.paper_options import PaperOptions


def test_one_key_on_the_command_line() -> None:
    settings = PaperOptions(
        paper=True, key="k", secret="s", passphrase="p", balance="USDT=5", fees="0.0001,0.0005", leverage="3"
    ).settings()
    assert settings is not None
    (key,) = settings.keys
    assert (key.key, key.name, key.passphrase) == ("k", "paper", "p")
    assert settings.balances == {"USDT": Decimal(5)}
    assert settings.keep_ns == 7 * 24 * 3600 * 10**9
    assert settings.fees is not None
    assert settings.rules is not None
    assert (settings.fees.maker, settings.fees.taker) == (Decimal("0.0001"), Decimal("0.0005"))
    assert settings.rules.leverage == Decimal(3)


def test_one_fee_is_for_both_and_keys_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('[{"key":"a","secret":"b"}]')
    settings = PaperOptions(paper=True, keys=path, fees="0").settings()
    assert settings is not None
    assert settings.fees is not None
    assert (settings.fees.taker, settings.keys[0].key) == (Decimal(0), "a")


def test_no_paper_no_settings() -> None:
    assert PaperOptions().settings() is None


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"key": "k"}, "belong to --paper"), ({"paper": True}, "needs --key"),
        ({"paper": True, "key": "k"}, "needs --key"),
        ({"paper": True, "key": "k", "secret": "s", "keys": Path("x")}, "say either"),
        ({"paper": True, "key": "k", "secret": "s", "fees": "x"}, "--fees"),
        ({"paper": True, "key": "k", "secret": "s", "leverage": ""}, "--leverage needs a number"),
        ({"paper": True, "key": "k", "secret": "s", "leverage": "0"}, "--leverage 0 is under 1"),
        ({"paper": True, "key": "k", "secret": "s", "fees": "0,1"}, "a tenth of a percent is 0.001"),
        ({"paper": True, "key": "k", "secret": "s", "balance": "USDT"}, "USDT=100000"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        PaperOptions(**options).settings()
