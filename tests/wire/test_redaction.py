"""What must not be in any recording."""

import msgspec
import pytest

from tapeline.model.secret import Credentials, Secret
from tapeline.venues import venue_named
from tapeline.venues.ccxt import through_ccxt
from tapeline.wire.private.redaction import HIDDEN, Redaction

ORDERS = venue_named("okx").orders
assert ORDERS is not None
FIELDS = ORDERS.hidden
CREDENTIALS = Credentials(Secret("api-key-of-somebody"), lambda _payload: b"", passphrase=Secret("pass-of-somebody"))


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (b'{"op":"login","args":[{"apiKey":"api-key-of-somebody","passphrase":"pass-of-somebody","sign":"q+/=="}]}',
         b'{"op":"login","args":[{"apiKey":"***","passphrase":"***","sign":"***"}]}'),
        (b'{"params":{"apiKey":"other","signature": "a\\"b","symbol":"BTCUSDT"}}',
         b'{"params":{"apiKey":"***","signature": "***","symbol":"BTCUSDT"}}'),
        (b'{"e":"listenKeyExpired","E":5,"listenKey":"abc"}', b'{"e":"listenKeyExpired","E":5,"listenKey":"***"}'),
        (b"/api/v3/order?symbol=BTCUSDT&signature=abcdef&x=1", b"/api/v3/order?symbol=BTCUSDT&signature=***&x=1"),
        (b"listenKey=abc", b"listenKey=***"),
        (b'{"msg":"key api-key-of-somebody is not known"}', b'{"msg":"key *** is not known"}'),
        (b'{"signature":17,"sign":null}', b'{"signature":"***","sign":"***"}'),
        (b'{"e":"ORDER_TRADE_UPDATE","o":{"s":"BTCUSDT","S":"BUY"}}',
         b'{"e":"ORDER_TRADE_UPDATE","o":{"s":"BTCUSDT","S":"BUY"}}'),
        (b'{"id":"1","op":"login","keys":{"key":"other","secret":"s","passphrase":"p"}}',
         b'{"id":"1","op":"login","keys":{"key":"***","secret":"***","passphrase":"***"}}'),
        (b"\xff\x00", b"\xff\x00"),
        (b"", b""),
    ],
)  # fmt: skip
def test_keys_and_signatures_are_taken_out_and_nothing_else(raw: bytes, clean: bytes) -> None:
    assert Redaction(CREDENTIALS, FIELDS).clean(raw) == clean


def test_what_is_learnt_on_the_way_is_hidden_from_then_on_and_what_is_too_short_is_not() -> None:
    redaction = Redaction(Credentials(Secret("key1"), lambda _payload: b"", passphrase=Secret("ab")), FIELDS)
    assert redaction.clean(b"key1 listens by pqrs1234: a table") == b"*** listens by pqrs1234: a table"
    redaction.hide("pqrs1234")
    redaction.hide("pqrs1234")
    redaction.hide("")
    assert redaction.clean(b"key1 listens by pqrs1234: a table") == b"*** listens by ***: a table"
    assert Redaction(Credentials(Secret("key1"), lambda _payload: b""), FIELDS).clean(b"ab key1") == b"ab ***"


def test_a_secret_that_is_sent_is_hidden_however_it_is_written() -> None:
    pem = '-----BEGIN KEY-----\nMC4CAQAwBQYDK2Vw"x\n-----END KEY-----'
    credentials = Credentials(Secret("key1"), lambda _payload: b"", secret=Secret(pem))
    redaction = Redaction(credentials, FIELDS)
    for raw in (pem.encode(), msgspec.json.encode({"told": ["by", pem]}), b"it is " + pem.encode()):
        assert b"MC4CAQAwBQYDK2Vw" not in redaction.clean(raw)
        assert HIDDEN in redaction.clean(raw)


def test_what_logs_in_at_ccxt_shows_nothing() -> None:
    credentials = Credentials(
        Secret("key-of-ccxt"), lambda _payload: b"", passphrase=Secret("word-of-ccxt"), secret=Secret("secret-of-ccxt")
    )
    orders = through_ccxt("ccxt-kraken").orders
    assert orders is not None
    frame = orders.private.opening_for({})[0](credentials, 5, "open1")
    assert b"secret-of-ccxt" in frame
    assert b"of-ccxt" not in Redaction(credentials, orders.hidden).clean(frame)
