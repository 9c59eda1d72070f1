import json
import pickle

import msgspec
import pytest

from tapeline.model.secret import Credentials, Secret


def test_it_shows_nowhere() -> None:
    secret = Secret("hunter2")
    assert repr(secret) == "Secret('***')"
    assert str(secret) == "***"
    assert f"{secret}" == "***"
    assert f"{secret:>5}" == "  ***"
    assert repr({"key": [secret]}) == "{'key': [Secret('***')]}"


def test_it_can_be_read_where_it_is_meant_to_be() -> None:
    assert Secret("hunter2").reveal() == "hunter2"


def test_using_it_as_text_by_accident_is_an_error() -> None:
    secret = Secret("hunter2")
    with pytest.raises(TypeError):
        "key=" + secret  # type: ignore[operator]  # the accident under test
    with pytest.raises(TypeError):
        json.dumps({"key": secret})
    with pytest.raises(TypeError):
        msgspec.json.encode({"key": secret})
    with pytest.raises(TypeError, match="not to be pickled"):
        pickle.dumps(secret)


def test_it_compares_by_value_and_hashes_unlike_its_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert hash(Secret("a")) != hash("a")
    assert Secret("a")
    assert not Secret("")


def test_credentials_show_neither_key_nor_signer() -> None:
    credentials = Credentials(key=Secret("public-part"), sign=lambda message: message, passphrase=Secret("words"))

    assert "public-part" not in repr(credentials)
    assert "words" not in repr(credentials)
    assert "sign" not in repr(credentials)
    assert credentials.key.reveal() == "public-part"
