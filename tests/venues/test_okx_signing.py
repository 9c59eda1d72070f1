"""OKX's signatures against the vectors of its documents, and the venue's own check of them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from okx_fixtures import OURS, SECOND_NS, secret_of
from tapeline.errors import AuthenticationRefused, ClockWrong, ConfigError
from tapeline.model.stamp import instant
from tapeline.venues.okx.signing import LoginArg, iso_ms, login, sign, verify, verify_login, with_key
from tapeline.venues.orders import OrderRequest
from tapeline.venues.request import Request

AT_NS = instant("2020-12-08T09:08:57.715Z")
LOGIN_NS = 1_704_876_947 * SECOND_NS + 999_000_000


ORDER = b'{"instId":"BTC-USDT","tdMode":"cash","side":"buy","ordType":"limit","px":"25000","sz":"0.01"}'
BALANCE = Request("GET", "/api/v5/account/balance", (("ccy", "BTC"),))
PLACE = Request("POST", "/api/v5/trade/order", body=ORDER)


@pytest.mark.parametrize(
    ("request_", "signature"),
    [
        (BALANCE, "nwg3UBu+nu0i9sPhrOSYGq+v+XUVQbLRID1dVcVff8E="),
        (PLACE, "FNdn5gzf5lHf6rlT3bbZdulQ041TWl3xyYeIJTl5V+M="),
    ],
    ids=["get", "post"],
)
def test_the_vectors_of_the_documents(request_: Request, signature: str) -> None:
    headers = dict(sign(request_, OURS, AT_NS).headers)
    assert headers["OK-ACCESS-SIGN"] == signature
    assert headers["OK-ACCESS-TIMESTAMP"] == "2020-12-08T09:08:57.715Z"
    assert (headers["OK-ACCESS-KEY"], headers["OK-ACCESS-PASSPHRASE"]) == ("okx_key", "okx_pass")


def test_the_login_of_the_documents() -> None:
    frame = json.loads(login(OURS, LOGIN_NS, "1"))
    assert frame == {
        "op": "login",
        "args": [
            {"apiKey": "okx_key", "passphrase": "okx_pass", "timestamp": "1704876947",
             "sign": "V1ZO27Y6mKZsDI1lb+VzNELOYRPkdTNFXuVaUkBjk/c="},
        ],
    }  # fmt: skip


def test_stamps_have_milliseconds_whatever_the_time() -> None:
    assert iso_ms(AT_NS // SECOND_NS * SECOND_NS) == "2020-12-08T09:08:57.000Z"
    assert iso_ms(AT_NS + 999_999) == "2020-12-08T09:08:57.715Z"


def test_an_order_says_until_when_it_may_arrive_and_nothing_else_does() -> None:
    assert dict(sign(PLACE, OURS, AT_NS).headers)["expTime"] == "1607418542715"
    assert "expTime" not in dict(sign(BALANCE, OURS, AT_NS).headers)
    cancel = Request("POST", "/api/v5/trade/cancel-order", body=b"{}", headers=(("x-simulated-trading", "1"),))
    headers = dict(sign(cancel, OURS, AT_NS).headers)
    assert "expTime" not in headers
    assert headers["x-simulated-trading"] == "1"


def test_a_key_alone() -> None:
    assert with_key(BALANCE, OURS).headers == (("OK-ACCESS-KEY", "okx_key"),)


def test_a_key_that_cannot_sign_here_is_said_to_be_wrong() -> None:
    with pytest.raises(ConfigError, match="passphrase"):
        sign(BALANCE, replace(OURS, passphrase=None), AT_NS)
    with pytest.raises(ConfigError, match="ed25519"):
        login(replace(OURS, kind="ed25519"), LOGIN_NS, "1")


# ---- the venue's side -------------------------------------------------------------------------------------------


def heard(request: Request, **changes: str) -> OrderRequest:
    """A request as a server hears it."""
    headers = {name.lower(): value for name, value in request.headers} | {
        name.replace("_", "-"): value for name, value in changes.items()
    }
    return OrderRequest(
        method=request.method, path=request.path, query=request.query_text, headers=headers, body=request.body
    )


@pytest.mark.parametrize("request_", [BALANCE, PLACE], ids=["get", "post"])
def test_what_we_sign_the_venue_takes(request_: Request) -> None:
    assert verify(heard(sign(request_, OURS, AT_NS)), secret_of, AT_NS + 29 * SECOND_NS) == "okx_key"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ok_access_key": ""}, "50103"),
        ({"ok_access_passphrase": ""}, "50104"),
        ({"ok_access_sign": ""}, "50106"),
        ({"ok_access_timestamp": ""}, "50107"),
        ({"ok_access_timestamp": "yesterday"}, "50112"),
        ({"ok_access_key": "other"}, "50119"),
        ({"ok_access_passphrase": "Okx_pass"}, "50105"),
        ({"ok_access_sign": "FNdn5gzf5lHf6rlT3bbZdulQ041TWl3xyYeIJTl5V+N="}, "50113"),
        ({"ok_access_sign": "é"}, "50113"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_what_it_does_not_take(changes: Mapping[str, str], code: str) -> None:
    with pytest.raises(AuthenticationRefused) as refused:
        verify(heard(sign(PLACE, OURS, AT_NS), **changes), secret_of, AT_NS)
    assert refused.value.code == code


def test_a_changed_body_or_query_is_not_what_was_signed() -> None:
    signed = heard(sign(BALANCE, OURS, AT_NS))
    for changed in ({"query": "ccy=ETH"}, {"body": b" "}, {"method": "POST"}, {"path": "/api/v5/account/positions"}):
        with pytest.raises(AuthenticationRefused, match="Sign"):
            verify(msgspec.structs.replace(signed, **changed), secret_of, AT_NS)


@pytest.mark.parametrize("off_s", [-31, 31])
def test_a_stamp_that_is_off(off_s: int) -> None:
    with pytest.raises(ClockWrong):
        verify(heard(sign(PLACE, OURS, AT_NS)), secret_of, AT_NS + off_s * SECOND_NS)
    arg = msgspec.json.decode(login(OURS, LOGIN_NS, ""))["args"][0]
    with pytest.raises(ClockWrong):
        verify_login(msgspec.convert(arg, LoginArg), secret_of, LOGIN_NS + off_s * SECOND_NS)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, ""),
        ({"timestamp": 1704876947}, ""),
        ({"timestamp": "now"}, "60004"),
        ({"apiKey": "other"}, "60005"),
        ({"passphrase": ""}, "60024"),
        ({"sign": "V1ZO"}, "60007"),
    ],
    ids=["right", "a number for a time", "no time", "key", "passphrase", "sign"],
)
def test_logins(changes: dict[str, Any], code: str) -> None:
    arg = msgspec.json.decode(login(OURS, LOGIN_NS, ""))["args"][0] | changes
    read = msgspec.convert(arg, LoginArg)
    if not code:
        assert verify_login(read, secret_of, LOGIN_NS) == "okx_key"
        return
    with pytest.raises(AuthenticationRefused) as refused:
        verify_login(read, secret_of, LOGIN_NS)
    assert refused.value.code == code
