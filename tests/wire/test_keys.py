import base64
import hashlib
import hmac
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from tapeline.config import AccountConfig
from tapeline.errors import ConfigError
from tapeline.model.secret import Credentials, Secret
from tapeline.wire.private.keys import MOST_BYTES, credentials_of, ed25519_signer, hmac_signer

KEY, SECRET = "key-of-the-keys-tests", "secret-of-the-keys-tests"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TEXT = b"symbol=BTCUSDT&timestamp=1700000000000"


def pem(encryption: KeySerializationEncryption | None = None) -> str:
    return PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)


def account(**settings: object) -> AccountConfig:
    return AccountConfig(venue="zeta", **settings)  # type: ignore[arg-type]  # the point is to vary them


def found(settings: AccountConfig, **environ: str) -> Credentials:
    return credentials_of("main", settings, environ)


def test_hmac_signs_as_everybody_does() -> None:
    # the example of the venues' documents
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    text = (
        b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
        b"&timestamp=1499827319559"
    )
    said = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    assert hmac_signer(Secret(secret))(text).hex() == said


@pytest.mark.parametrize(
    "secret", [pem(), bytes(range(32)).hex(), base64.b64encode(bytes(range(32))).decode(), "  " + pem() + "\n"]
)
def test_ed25519_signs_with_pem_or_a_seed(secret: str) -> None:
    signature = ed25519_signer(Secret(secret))(TEXT)
    PRIVATE.public_key().verify(signature, TEXT)
    assert signature == PRIVATE.sign(TEXT)


def rsa_pem() -> str:
    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("short", "PEM text, or a seed of 32 bytes"),
        ("abcd" * 4, "PEM text, or a seed of 32 bytes"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----", "the PEM text is no private key"),
        (pem(BestAvailableEncryption(b"word")), "the PEM text is encrypted"),
        (rsa_pem(), "another kind of key than Ed25519"),
    ],
)
def test_what_is_no_ed25519_key_is_told_without_what_it_says(secret: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as told:
        ed25519_signer(Secret(secret), "account.main.secret")
    assert str(told.value).startswith("account.main.secret: ")
    assert secret not in str(told.value)


def test_ed25519_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    with pytest.raises(ConfigError, match=r"pip install tapeline\[ed25519\]"):
        ed25519_signer(Secret(pem()))


def test_keys_of_the_settings() -> None:
    made = found(account(key=Secret(KEY + "\n"), secret=Secret(SECRET), passphrase=Secret("word")))
    assert (made.key, made.kind, made.passphrase) == (Secret(KEY), "hmac", Secret("word"))
    assert made.sign(TEXT) == hmac.new(SECRET.encode(), TEXT, hashlib.sha256).digest()
    assert KEY not in repr(made)
    assert SECRET not in repr(made)


def test_pem_means_ed25519_and_a_seed_has_to_be_called_so() -> None:
    assert found(account(key=Secret(KEY), secret=Secret(pem()))).kind == "ed25519"
    seed = bytes(range(32)).hex()
    assert found(account(key=Secret(KEY), secret=Secret(seed))).kind == "hmac"
    made = found(account(key=Secret(KEY), secret=Secret(seed), signature="ed25519"))
    assert made.sign(TEXT) == PRIVATE.sign(TEXT)
    with pytest.raises(ConfigError, match=r"account.main.secret is not one line"):
        found(account(key=Secret(KEY), secret=Secret(pem()), signature="hmac"))


def test_keys_of_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "secret").write_text(pem())
    made = found(account(key_file=str(tmp_path / "key"), secret_file=str(tmp_path / "secret")))
    assert (made.key, made.kind, made.passphrase) == (Secret(KEY), "ed25519", None)


def test_keys_of_systemd(tmp_path: Path) -> None:
    for part, text in (("key", KEY), ("secret", SECRET), ("passphrase", "word")):
        (tmp_path / f"tapeline.main.{part}").write_text(text)
    made = found(account(), CREDENTIALS_DIRECTORY=str(tmp_path))
    assert (made.key, made.kind, made.passphrase) == (Secret(KEY), "hmac", Secret("word"))
    made = found(account(key=Secret("another")), CREDENTIALS_DIRECTORY=str(tmp_path))
    assert made.key == Secret("another")


class NoKeyring(Exception):
    """What a machine without one raises."""


def keyring(monkeypatch: pytest.MonkeyPatch, held: dict[str, str], *, broken: bool = False) -> None:
    def get_password(service: str, user: str) -> str | None:
        if broken:
            raise NoKeyring
        assert service == "tapeline"
        return held.get(user)

    module = ModuleType("keyring")
    module.get_password = get_password  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setitem(sys.modules, "keyring.errors", SimpleNamespace(KeyringError=NoKeyring))


def test_keys_of_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring(monkeypatch, {"main.key": KEY, "main.secret": SECRET})
    made = found(account())
    assert (made.key, made.passphrase) == (Secret(KEY), None)
    assert made.sign(b"") == hmac.new(SECRET.encode(), b"", hashlib.sha256).digest()


def test_a_keyring_that_is_not_there_has_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring(monkeypatch, {}, broken=True)
    with pytest.raises(ConfigError, match=r"account.main has no key"):
        found(account())


def test_what_is_missing_is_told_with_every_place_it_may_be_in() -> None:
    with pytest.raises(ConfigError) as told:
        credentials_of("hedge-2", account(key=Secret(KEY)), {"CREDENTIALS_DIRECTORY": "/nowhere"})
    assert str(told.value) == (
        "account.hedge-2 has no secret: set TAPELINE_ACCOUNT__HEDGE_2__SECRET or "
        "TAPELINE_ACCOUNT__HEDGE_2__SECRET_FILE, account.hedge-2.secret_file, a systemd credential "
        "tapeline.hedge-2.secret, or hedge-2.secret of service tapeline in the keyring"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe" + SECRET.encode(), "is not UTF-8 text"),
        (b"x" * (MOST_BYTES + 1), "that is no key"),
        (b"two\nlines", "not one line of printable ASCII"),
        ("schl\u00fcssel".encode(), "not one line of printable ASCII"),
    ],
)
def test_a_file_that_holds_no_key(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigError, match=said) as told:
        found(account(key_file=str(tmp_path / "key"), secret=Secret(SECRET)))
    assert SECRET not in str(told.value)
    assert told.value.__cause__ is None


def test_a_file_that_cannot_be_read_and_a_part_given_twice(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"account.main.key_file: cannot read .*No such file"):
        found(account(key_file=str(tmp_path / "none")))
    with pytest.raises(ConfigError, match="key and key_file are both set"):
        found(account(key_file="/k", key=Secret(KEY)))
    with pytest.raises(ConfigError, match=r"account.main.passphrase is not one line"):
        found(account(key=Secret(KEY), secret=Secret(SECRET), passphrase=Secret("two\nlines")))
