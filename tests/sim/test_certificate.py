import ssl
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tapeline.clock import SystemClock
from tapeline.errors import ConfigError
from tapeline.sim.certificate import tls


def shakes_hands(secured: ssl.SSLContext, certificate: Path, name: str) -> bool:
    """Whether a client that trusts the certificate accepts the server, in memory."""
    trusted = ssl.create_default_context(cafile=str(certificate))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusted.wrap_bio(to_client, to_server, server_hostname=name)
    server = secured.wrap_bio(to_server, to_client, server_side=True)
    left = [client, server]
    for _ in range(10):
        for side in list(left):
            try:
                side.do_handshake()
                left.remove(side)
            except ssl.SSLWantReadError:
                continue
    return not left


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_client_that_trusts_it_shakes_hands(name: str, tmp_path: Path) -> None:
    secured, certificate = tls(tmp_path, SystemClock.wall_ns())
    assert shakes_hands(secured, certificate, name)
    assert (tmp_path / "paper-key.pem").stat().st_mode & 0o077 == 0


def test_without_the_package_the_command_makes_it(
    without_package: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del without_package
    ran: list[list[str]] = []
    whole = subprocess.run

    def run(command: list[str], **more: Any) -> Any:
        ran.append(command)
        return whole(command, **more)

    monkeypatch.setattr(subprocess, "run", run)
    secured, certificate = tls(tmp_path, SystemClock.wall_ns())
    assert ran[0][0] == "openssl"
    assert shakes_hands(secured, certificate, "localhost")


def test_without_either_it_says_what_to_install(
    without_package: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    del without_package

    def fails(*_command: Any, **_more: Any) -> ModuleType:
        raise FileNotFoundError("openssl")

    monkeypatch.setattr(subprocess, "run", fails)
    with pytest.raises(ConfigError, match="install the package `cryptography`, or `openssl`"):
        tls(tmp_path, SystemClock.wall_ns())
