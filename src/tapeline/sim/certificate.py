"""A certificate for a venue on this machine, made when it starts: for clients that speak TLS only."""

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tapeline.errors import ConfigError

DAYS = 30
NAMES = ("localhost", "127.0.0.1")
CERTIFICATE, KEY = "paper-ca.pem", "paper-key.pem"


def tls(folder: Path, now_ns: int) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a new certificate that signs itself, and where clients find it. Raises ConfigError.

    By the `cryptography` package where it is installed, else by the `openssl` command.
    """
    certificate, key = folder / CERTIFICATE, folder / KEY
    key.touch(mode=0o600)
    try:
        _by_package(certificate, key, now_ns)
    except ImportError:
        _by_command(certificate, key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context, certificate


def _by_package(certificate: Path, key: Path, now_ns: int) -> None:
    from cryptography import x509  # noqa: PLC0415  # an extra, and only --tls needs it
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Tapeline paper exchange")])
    start = datetime.fromtimestamp(now_ns / 1e9, UTC) - timedelta(hours=1)
    alternatives: list[Any] = [x509.DNSName(NAMES[0]), x509.IPAddress(ip_address(NAMES[1]))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _by_command(certificate: Path, key: Path) -> None:
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(DAYS),
        "-keyout", str(key), "-out", str(certificate), "-subj", "/CN=Tapeline paper exchange",
        "-addext", f"subjectAltName=DNS:{NAMES[0]},IP:{NAMES[1]}",
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)  # noqa: S603  # our own words
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"no certificate could be made for --tls ({error}): install the package `cryptography`, or `openssl`"
        ) from error
