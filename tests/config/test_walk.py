from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
import pytest

from tapeline.config.walk import Given, bare, decode, nearest, settings_of, table_within
from tapeline.model.secret import Secret


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    wait_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    form: Literal["red", "green"] = "red"
    key: Secret | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    words: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("a",)


class Root(msgspec.Struct, frozen=True, kw_only=True):
    inner: Inner = Inner()
    named: Mapping[str, Inner] = MappingProxyType({})
    item: tuple[Item, ...] = ()
    count: int = 3
    on: bool = True


def faults(raw: Mapping[str, Any]) -> list[str]:
    value, findings = decode(raw, Root)
    assert value is None
    return findings.faults


def test_a_whole_tree_with_where_each_value_comes_from() -> None:
    raw = {
        "inner": {"wait_s": 2},
        "named": {"x-y": {"form": "green"}},
        "item": [{"name": "n", "words": ["p", "q"]}],
        "count": Given("7", "environment N", text=True),
    }
    value, findings = decode(raw, Root)
    assert value == Root(
        inner=Inner(wait_s=2.0),
        named={"x-y": Inner(form="green")},
        item=(Item(name="n", words=("p", "q")),),
        count=7,
    )
    assert findings.faults == []
    assert findings.origins == {
        "inner.wait_s": "file",
        "inner.form": "default",
        "inner.key": "default",
        "named.x-y.form": "file",
        "item[0].name": "file",
        "item[0].words": "file",
        "count": "environment N",
        "on": "default",
    }


def test_named_tables_cannot_be_changed_afterwards() -> None:
    value, _ = decode({"named": {"x": {}}}, Root)
    assert value is not None
    with pytest.raises(TypeError):
        value.named["y"] = Inner()  # type: ignore[index]  # the very thing that must fail


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"cuont": 1}, "cuont: unknown key, did you mean count?"),
        ({"item": [{"name": "n", "wrods": ["x"]}]}, "item[0].wrods: unknown key, did you mean words?"),
        ({"named": {"x": {"wait": 3}}}, "named.x.wait: unknown key, did you mean wait_s?"),
        ({"form": "red"}, "form: unknown key, did you mean inner.form?"),
        (
            {"inner": {"count": 1}},
            "inner.count: unknown key, count stands at the top of the file, before the first [table]",
        ),
        ({"zzz": 1}, "zzz: unknown key, known here: inner, named, item, count, on"),
        ({"count": "3"}, "count: expected a whole number, got text"),
        ({"count": 3.5}, "count: expected a whole number, got a number"),
        ({"count": True}, "count: expected a whole number, got true or false"),
        ({"on": 1}, "on: expected true or false, got a whole number"),
        ({"inner": {"wait_s": 0}}, "inner.wait_s: expected a number > 0.0"),
        ({"inner": {"wait_s": float("nan")}}, "inner.wait_s: expected a number > 0.0"),
        ({"inner": {"wait_s": [1]}}, "inner.wait_s: expected a number, got a list"),
        ({"inner": {"form": "gren"}}, "inner.form: 'gren' is none of red, green, did you mean green?"),
        ({"inner": {"form": 3}}, "inner.form: 3 is none of red, green"),
        ({"inner": {"key": 3}}, "inner.key: expected text, got a whole number"),
        ({"inner": 3}, "inner: expected a table, got a number"),
        ({"named": "x"}, "named: expected tables [named.NAME], got text"),
        ({"named": {"x": []}}, "named.x: expected a table, got a list"),
        ({"item": {"name": "n"}}, "item: expected an array of tables, got a table: write [[item]]"),
        ({"item": [{}]}, "item[0]: name is missing"),
        ({"item": [{"name": "n", "words": "x"}]}, "item[0].words: expected a list, got text"),
        ({"item": [{"name": "n", "words": ["x", 3]}]}, "item[0].words[1]: expected text, got a whole number"),
        ({"item": [{"name": "n", "words": []}]}, "item[0].words: expected a list of length >= 1"),
        ({"item": [{"nmae": "n"}]}, "item[0].nmae: unknown key, did you mean name?"),
        ({"count": Given("x", "environment N", text=True)}, "count: expected a whole number, got text (environment N)"),
        ({"inner": Given("x", "environment N", text=True)}, "inner: expected a table, got text (environment N)"),
        (
            {"iner": {"wait_s": Given("1", "environment N", text=True)}},
            "iner: unknown key, did you mean inner? (environment N)",
        ),
    ],
)
def test_each_fault_has_its_path_and_a_remedy(raw: dict[str, Any], fault: str) -> None:
    assert faults(raw) == [fault]


def test_every_fault_is_told_at_once() -> None:
    assert faults({"count": "x", "on": "y", "zzz": 1}) == [
        "zzz: unknown key, known here: inner, named, item, count, on",
        "count: expected a whole number, got text",
        "on: expected true or false, got text",
    ]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"on": Given("false", "e", text=True)}, Root(on=False)),
        ({"on": Given("1", "e", text=True)}, Root(on=True)),
        ({"inner": {"wait_s": Given("1.5", "e", text=True)}}, Root(inner=Inner(wait_s=1.5))),
        ({"item": [{"name": Given("7", "e", text=True)}]}, Root(item=(Item(name="7"),))),
        (
            {"item": [{"name": "n", "words": Given(" a/b, c ,", "e", text=True)}]},
            Root(item=(Item(name="n", words=("a/b", "c")),)),
        ),
    ],
)
def test_text_stands_for_the_value_of_its_type(raw: dict[str, Any], expected: Root) -> None:
    assert decode(raw, Root)[0] == expected


def test_a_secret_is_read_and_told_in_no_fault() -> None:
    value, findings = decode({"inner": {"key": "hunter2"}}, Root)
    assert value is not None
    assert value.inner.key == Secret("hunter2")
    assert "hunter2" not in repr((value, findings))


def test_a_type_that_configuration_cannot_have_is_our_bug() -> None:
    class Odd(msgspec.Struct):
        what: complex = 0j

    with pytest.raises(NotImplementedError, match="complex"):
        decode({"what": "1"}, Odd)


def test_types_seen_through() -> None:
    assert bare(Annotated[int | None, 3]) is int
    assert bare(int | str) == int | str
    assert settings_of(Item)["name"] is str
    assert table_within(Inner) == ("table", Inner)
    assert table_within(Mapping[str, Inner]) == ("named", Inner)
    assert table_within(tuple[Item, ...]) == ("array", Item)
    assert table_within(tuple[str, ...]) is None


def test_the_nearest_word_if_any() -> None:
    assert nearest("SYMBLS", ["symbols", "channels"]) == "symbols"
    assert nearest("xyz", ["symbols", "channels"]) == ""
    assert nearest("stores", ["store"], likeness=0.95) == ""
