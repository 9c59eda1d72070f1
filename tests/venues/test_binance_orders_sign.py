"""Signatures by the venue's own vectors, and checked on the other side."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tapeline.errors import AuthenticationRefused, ClockWrong
from tapeline.model.secret import Credentials, Secret
from tapeline.venues.binance.orders.sign import (
    fields_of,
    pairs_of,
    params_text,
    sign,
    signed_params,
    verify,
    verify_params,
    with_key,
    written,
)
from tapeline.venues.orders import OrderRequest
from tapeline.venues.request import Request

MS = 1_000_000
# From the venue's documents: keys that open nothing.
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
HMAC = Credentials(key=Secret(KEY), sign=lambda payload: hmac.digest(SECRET, payload, hashlib.sha256))
_PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ED25519 = Credentials(key=Secret(KEY), sign=_PRIVATE.sign, kind="ed25519")
AT_MS = 1_499_827_319_559
QUERY = (
    ("symbol", "LTCBTC"), ("side", "BUY"), ("type", "LIMIT"), ("timeInForce", "GTC"), ("quantity", "1"),
    ("price", "0.1"),
)  # fmt: skip


def secret_of(key: str) -> Credentials | None:
    return HMAC if key == KEY else None


@pytest.mark.parametrize(
    ("symbol", "signature"),
    [
        ("LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        ("１２３４５６", "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),  # noqa: RUF001  # the venue's own example
    ],
)
def test_the_venues_vectors_of_rest(symbol: str, signature: str) -> None:
    request = sign(Request("POST", "/api/v3/order", (("symbol", symbol), *QUERY[1:])), HMAC, AT_MS * MS + 999_999)

    assert request.query[-1] == ("signature", signature)
    assert request.query[-3:-1] == (("recvWindow", "5000"), ("timestamp", str(AT_MS)))
    assert request.headers == (("X-MBX-APIKEY", KEY),)
    assert request.query[:6] == (("symbol", symbol), *QUERY[1:])


LIMIT = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01000000",
         "price": "52000.00", "recvWindow": 100, "timestamp": 1645423376532, "apiKey": KEY}  # fmt: skip
WIDE = {**LIMIT, "symbol": "１２３４５６", "side": "BUY", "quantity": "1.00000000", "price": "0.10000000",  # noqa: RUF001
        "recvWindow": 5000}  # fmt: skip
LOGON = {"apiKey": KEY, "timestamp": 1649729878532}


@pytest.mark.parametrize(
    ("params", "signature"),
    [
        (LIMIT, "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"),
        (WIDE, "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"),
        (LOGON, "1cf54395b336b0a9727ef27d5d98987962bc47aca6e13fe978612d0adee066ed"),
    ],
)
def test_the_venues_vectors_of_the_websocket_api(params: Mapping[str, Any], signature: str) -> None:
    assert written(HMAC, params_text(params)) == signature
    assert written(HMAC, params_text({**params, "signature": "anything"})) == signature


def test_ed25519_is_base64() -> None:
    assert written(ED25519, params_text(LOGON)) == (
        "OIe2IwMR3NP+oRgf/Hbo4Wf1DQyOmGvT5NrO+vm69t5WJn7jxvFQvS6nRtYpyFgebeGilE89v0rBSxL5N7EhCA=="
    )
    request = sign(Request("GET", "/api/v3/account"), ED25519, AT_MS * MS)
    payload = f"recvWindow=5000&timestamp={AT_MS}".encode()
    assert request.query[-1] == ("signature", b64encode(_PRIVATE.sign(payload)).decode())
    assert "%2B" in request.query_text or "%2F" in request.query_text or "%3D" in request.query_text


def test_params_are_stamped_and_signed() -> None:
    params = signed_params({"symbol": "BTCUSDT", "closePosition": True}, HMAC, AT_MS * MS)

    text = f"apiKey={KEY}&closePosition=true&recvWindow=5000&symbol=BTCUSDT&timestamp={AT_MS}"
    assert params_text(params) == text.encode()
    assert params["signature"] == hmac.digest(SECRET, text.encode(), hashlib.sha256).hex()
    assert verify_params(params, secret_of, AT_MS * MS) == KEY


def heard(request: Request, *, in_body: bool = False) -> OrderRequest:
    text = request.query_text
    headers = {name.lower(): value for name, value in request.headers}
    if in_body:
        return OrderRequest(method=request.method, path=request.path, headers=headers, body=text.encode())
    return OrderRequest(method=request.method, path=request.path, query=text, headers=headers, body=request.body)


@pytest.mark.parametrize("in_body", [False, True])
@pytest.mark.parametrize("credentials", [HMAC, ED25519])
def test_what_was_signed_is_believed(credentials: Credentials, *, in_body: bool) -> None:
    request = heard(sign(Request("POST", "/api/v3/order", QUERY), credentials, AT_MS * MS), in_body=in_body)

    assert verify(request, lambda _key: credentials, AT_MS * MS) == KEY
    assert fields_of(request)["price"] == "0.1"


def test_query_and_body_are_signed_as_one() -> None:
    query, body = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC", "quantity=1&price=0.1&recvWindow=5000"
    body += f"&timestamp={AT_MS}"
    signature = hmac.digest(SECRET, (query + body).encode(), hashlib.sha256).hex()
    assert signature == "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"  # the venue's own example

    request = OrderRequest(
        method="POST", path="/api/v3/order", query=query, headers={"x-mbx-apikey": KEY},
        body=f"{body}&signature={signature.upper()}".encode(),
    )  # fmt: skip

    assert verify(request, secret_of, AT_MS * MS) == KEY


def test_a_key_alone_is_enough_for_listen_keys() -> None:
    request = heard(with_key(Request("POST", "/fapi/v1/listenKey"), HMAC))

    assert verify(request, secret_of, AT_MS * MS, key_only=frozenset({"/fapi/v1/listenKey"})) == KEY
    with pytest.raises(AuthenticationRefused) as refused:
        verify(request, secret_of, AT_MS * MS)
    assert refused.value.code == "-1102"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"headers": {}}, "-2015"),
        ({"headers": {"x-mbx-apikey": "nobody's"}}, "-2015"),
        ({"query": "symbol=BTCUSDT&timestamp=1499827319559&signature=00"}, "-1022"),
        ({"query": "symbol=BTCUSDT&timestamp=1499827319559"}, "-1102"),
    ],
)
def test_who_is_not_believed(change: dict[str, Any], code: str) -> None:
    good = {"method": "GET", "path": "/api/v3/account", "headers": {"x-mbx-apikey": KEY}}

    with pytest.raises(AuthenticationRefused) as refused:
        verify(OrderRequest(**{**good, **change}), secret_of, AT_MS * MS)
    assert refused.value.code == code


@pytest.mark.parametrize("late_ms", [-1000, 5001, 60_001])
def test_a_wrong_clock_is_told_from_a_wrong_key(late_ms: int) -> None:
    request = heard(sign(Request("GET", "/api/v3/account"), HMAC, AT_MS * MS))

    with pytest.raises(ClockWrong, match=r"Timestamp for this request"):
        verify(request, secret_of, (AT_MS + late_ms) * MS)
    assert verify(request, secret_of, (AT_MS + 5000) * MS) == KEY
    assert verify(request, secret_of, (AT_MS - 999) * MS) == KEY


def test_microseconds_are_understood() -> None:
    params = {"apiKey": KEY, "timestamp": AT_MS * 1000, "recvWindow": "10.5"}
    whole = {**params, "signature": written(HMAC, params_text(params))}

    assert verify_params(whole, secret_of, AT_MS * MS) == KEY
    with pytest.raises(ClockWrong):
        verify_params(whole, secret_of, (AT_MS + 11) * MS)
    with pytest.raises(AuthenticationRefused):
        verify_params({}, secret_of, AT_MS * MS)


def test_pairs_are_decoded() -> None:
    assert pairs_of(b"a=1%2B2+3&b=%EF%BC%91&c") == (("a", "1+2 3"), ("b", "１"), ("c", ""))  # noqa: RUF001
