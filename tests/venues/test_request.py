from urllib.parse import quote, urlencode

from hypothesis import given
from hypothesis import strategies as st

from tapeline.venues.request import Request, encoded

PAIRS = st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=4).map(tuple)


def test_a_query_is_percent_encoded_in_its_order() -> None:
    request = Request("GET", "/orders", (("symbols", '["A/B"]'), ("size", "0.10"), ("note", "a b&c=d~é")))
    assert request.query_text == "symbols=%5B%22A%2FB%22%5D&size=0.10&note=a%20b%26c%3Dd~%C3%A9"
    assert Request("GET", "/").query_text == ""


@given(PAIRS)
def test_it_is_encoded_as_everybody_does(pairs: tuple[tuple[str, str], ...]) -> None:
    assert encoded(pairs) == urlencode(pairs, quote_via=quote, safe="")


def test_a_request_shows_neither_what_its_headers_nor_its_body_say() -> None:
    request = Request(
        "POST", "/order", (("signature", "0123abcd"),), 1, "orders", (("X-KEY", "the key"),), b'{"pass":"word"}'
    )
    assert repr(request) == "Request(POST /order, weight=1 of orders, headers: X-KEY)"
    assert str(request) == repr(request)
