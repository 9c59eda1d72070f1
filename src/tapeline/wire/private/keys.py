"""Keys of accounts: where they are found, and signatures made with them. They are revealed here and nowhere shown."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from tapeline.errors import ConfigError
from tapeline.model.secret import Credentials, Secret

SERVICE = "tapeline"
MOST_BYTES = 16 * 1024
PEM = "-----BEGIN"
SEED_BYTES = 32
Signer = Callable[[bytes], bytes]


class KeySettings(Protocol):
    """What an account's configuration says of its keys."""

    @property
    def key(self) -> Secret | None:
        """The API key."""

    @property
    def key_file(self) -> str | None:
        """A file that holds it."""

    @property
    def secret(self) -> Secret | None:
        """The secret that belongs to it."""

    @property
    def secret_file(self) -> str | None:
        """A file that holds it."""

    @property
    def passphrase(self) -> Secret | None:
        """The passphrase, at venues that have one."""

    @property
    def passphrase_file(self) -> str | None:
        """A file that holds it."""

    @property
    def signature(self) -> str:
        """How requests are signed: auto | hmac | ed25519."""


def credentials_of(name: str, settings: KeySettings, environ: Mapping[str, str]) -> Credentials:
    """The credentials of the account of this name. Raises ConfigError, which says what is missing and where it may be.

    Each part is looked for in the settings (the environment is among them), in the file they name, in systemd's
    credentials directory and in the keyring.
    """
    key = _needed(name, "key", settings, environ)
    secret = _needed(name, "secret", settings, environ)
    passphrase = _found(name, "passphrase", settings, environ)
    for what, value in (("key", key), ("passphrase", passphrase)):
        if value is not None and not _one_line(value):
            raise ConfigError(f"account.{name}.{what} is not one line of printable ASCII: is it the right file?")
    where = f"account.{name}.secret"
    kind = settings.signature
    if kind == "auto":
        kind = "ed25519" if secret.reveal().startswith(PEM) else "hmac"
    if kind == "ed25519":
        return Credentials(key, ed25519_signer(secret, where), kind, passphrase, secret)
    if not _one_line(secret):
        raise ConfigError(f"{where} is not one line of printable ASCII: is it the right file?")
    return Credentials(key, hmac_signer(secret), kind, passphrase, secret)


def hmac_signer(secret: Secret) -> Signer:
    """HMAC-SHA256 with this secret, 32 raw bytes."""
    key = secret.reveal().encode()

    def sign(text: bytes) -> bytes:
        return hmac.new(key, text, hashlib.sha256).digest()

    return sign


def ed25519_signer(secret: Secret, where: str = "the secret") -> Signer:
    """Ed25519 with a private key in PEM (PKCS 8), or its seed of 32 bytes in hex or base64; 64 raw bytes.

    Raises ConfigError, `where` it names; nothing of the key is in the message.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415  # an extra
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(f"{where}: Ed25519 takes `pip install tapeline[ed25519]`") from error
    text = secret.reveal().strip()
    if not text.startswith(PEM):
        return Ed25519PrivateKey.from_private_bytes(_seed(text, where)).sign
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError) as error:
        # The library's own text may say what is in the file; TypeError: it is encrypted.
        said = "is encrypted: give it without a password" if isinstance(error, TypeError) else "is no private key"
        raise ConfigError(f"{where}: the PEM text {said}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{where}: the PEM text holds another kind of key than Ed25519")
    return key.sign


def _seed(text: str, where: str) -> bytes:
    for read in (bytes.fromhex, _base64):
        try:
            seed = read(text)
        except ValueError:
            continue
        if len(seed) == SEED_BYTES:
            return seed
    raise ConfigError(f"{where}: an Ed25519 key is PEM text, or a seed of {SEED_BYTES} bytes in hex or base64")


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


def _needed(name: str, part: str, settings: KeySettings, environ: Mapping[str, str]) -> Secret:
    found = _found(name, part, settings, environ)
    if found is None:
        variable = f"TAPELINE_ACCOUNT__{name.upper().replace('-', '_')}__{part.upper()}"
        raise ConfigError(
            f"account.{name} has no {part}: set {variable} or {variable}_FILE, account.{name}.{part}_file, a systemd "
            f"credential {SERVICE}.{name}.{part}, or {name}.{part} of service {SERVICE} in the keyring"
        )
    return found


def _found(name: str, part: str, settings: KeySettings, environ: Mapping[str, str]) -> Secret | None:
    given: Secret | None = getattr(settings, part)
    file: str | None = getattr(settings, f"{part}_file")
    if given is not None and file is not None:
        raise ConfigError(f"account.{name}: {part} and {part}_file are both set: which one is meant?")
    if given is not None:
        return _clean(given.reveal(), f"account.{name}.{part}")
    if file is not None:
        return _read(Path(file).expanduser(), f"account.{name}.{part}_file")
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    if folder and (path := Path(folder) / f"{SERVICE}.{name}.{part}").exists():
        return _read(path, f"systemd credential {path.name}")
    return _from_keyring(f"{name}.{part}")


def _read(path: Path, where: str) -> Secret:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise ConfigError(f"{where}: cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: {path} is not UTF-8 text") from None  # its own message quotes the content
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{where}: {path} is over {MOST_BYTES} bytes: that is no key")
    return _clean(text, f"{where} ({path})")


def _clean(text: str, where: str) -> Secret:
    if not text.strip():
        raise ConfigError(f"{where} is empty")
    return Secret(text.strip())


def _from_keyring(user: str) -> Secret | None:
    try:
        import keyring  # noqa: PLC0415  # an extra, and slow to import
        from keyring.errors import KeyringError  # noqa: PLC0415
    except ImportError:
        return None
    try:
        text = keyring.get_password(SERVICE, user)
    except KeyringError:
        return None  # a machine without one, or a locked one: what is missing is told as such
    return _clean(text, f"{user} in the keyring") if text else None


def _one_line(secret: Secret) -> bool:
    text = secret.reveal()
    return text.isascii() and text.isprintable()
