from pathlib import Path

import msgspec
import pytest

from tapeline.config.account import AccountConfig, account_faults
from tapeline.config.sources import load, load_with_origins
from tapeline.errors import ConfigError
from tapeline.model.secret import Secret

SECRET = "s3cret-of-an-account-in-a-test"
FILE = f"""
[account.main]
venue = "zeta"
mode = "live"
testnet = true
key = "k3y-of-an-account-in-a-test"
secret = "{SECRET}"

[account.hedge-2]
venue = "zeta"
key_file = "/run/key"
secret_file = "/run/secret"
signature = "ed25519"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tapeline.toml"
    path.write_text(FILE)
    return path


def test_accounts_of_a_file(file: Path) -> None:
    loaded = load_with_origins(file, {})
    accounts = loaded.config.account
    main = AccountConfig(
        venue="zeta", mode="live", testnet=True, key=Secret("k3y-of-an-account-in-a-test"), secret=Secret(SECRET)
    )
    assert accounts["main"] == main
    assert accounts["hedge-2"] == AccountConfig(
        venue="zeta", key_file="/run/key", secret_file="/run/secret", signature="ed25519"
    )
    assert (accounts["hedge-2"].mode, accounts["hedge-2"].testnet) == ("paper", False)
    assert loaded.origins["account.main.secret"] == "file"
    assert SECRET not in repr(loaded)


def test_keys_come_from_the_environment_and_its_files(tmp_path: Path, file: Path) -> None:
    (tmp_path / "pass").write_text("word of the day\n")
    environ = {
        "TAPELINE_ACCOUNT__MAIN__SECRET": "another one",
        "TAPELINE_ACCOUNT__MAIN__PASSPHRASE_FILE": str(tmp_path / "pass"),
        "TAPELINE_ACCOUNT__HEDGE_2__MODE": "live",
        "TAPELINE_ACCOUNT__NEW__VENUE": "zeta",
    }
    accounts = load(file, environ).account
    assert accounts["main"].secret == Secret("another one")
    assert accounts["main"].passphrase == Secret("word of the day")
    assert accounts["hedge-2"].mode == "live"
    assert accounts["new"] == AccountConfig(venue="zeta")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[account.main]\nmode = 'live'", "account.main: venue is missing"),
        ("[account.main]\nvenue = 'zeta'\nmode = 'lvie'", "account.main.mode: 'lvie' is none of paper, live, did you"),
        ("[account.main]\nvenue = 'zeta'\nsecrett = 's3cret'", "account.main.secrett: unknown key, did you mean"),
        ("[account.main]\nvenue = 'zeta'\nsecret = 7", "account.main.secret: expected text, got "),
        ("[account.'a b']\nvenue = 'zeta'", "account.a b: a name is up to 32 letters"),
        ("[account.main]\nvenue = 'zeta'\nkey = 's3cret'\nkey_file = '/k'", "key and key_file are both set"),
    ],
)
def test_a_fault_names_its_place_and_no_secret(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "tapeline.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as told:
        load(path, {})
    assert fault in str(told.value)
    assert "s3cret" not in str(told.value)


def test_accounts_without_a_fault() -> None:
    assert list(account_faults({"main": AccountConfig(venue="zeta", key=Secret("k"), secret_file="/s")})) == []


def test_no_secret_gets_into_json_unasked() -> None:
    account = AccountConfig(venue="zeta", secret=Secret(SECRET))
    with pytest.raises(TypeError, match="Secret"):
        msgspec.json.encode(account)
    assert SECRET not in repr(account)
