import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tapeline.errors import ConfigError
from tapeline.surfaces.cli.decode import decode

API = "https://api.binance.com/api/v3"
LIST = {"symbols": [{"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT"}]}


def frame(at: float | None, raw: Any, *, way: str = "in", conn: str = "wss://a") -> dict[str, Any]:
    return {"t": at, "conn": conn, "dir": way, "raw": raw if isinstance(raw, str) else json.dumps(raw)}


def answer(at: float, path: str, body: Any, status: int = 200) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    return {"t": at, "method": "GET", "url": API + path, "status": status, "body": text}


def trade(number: int, symbol: str = "BTCUSDT") -> dict[str, Any]:
    data = {"e": "trade", "E": 5, "s": symbol, "t": number, "p": "1.50", "q": "2.0", "T": 4, "m": True, "M": True}
    return {"stream": f"{symbol.lower()}@trade", "data": data}


def depth(first: int, last: int, bids: list[list[str]], symbol: str = "BTCUSDT") -> dict[str, Any]:
    data = {"e": "depthUpdate", "E": 5, "s": symbol, "U": first, "u": last, "b": bids, "a": []}
    return {"stream": f"{symbol.lower()}@depth@100ms", "data": data}


def snapshot(last: int, bids: list[list[str]]) -> dict[str, Any]:
    return {"lastUpdateId": last, "bids": bids, "asks": [["200.0", "1"]]}


def write(path: Path, rows: list[Any]) -> Path:
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """(frames, answers, options) -> (rows of standard output, standard error)."""

    def done(frames: list[Any], answers: list[Any] | None = None, **options: Any) -> tuple[list[Any], str]:
        if answers is not None:
            options["rest"] = [write(tmp_path / "day.rest.jsonl.gz", answers)]
        decode(write(tmp_path / "day.ws.jsonl.gz", frames), venue="binance", **options)
        said = capsys.readouterr()
        return [json.loads(line) for line in said.out.splitlines()], said.err

    return done


def test_each_event_is_a_line_with_its_fields_and_where_it_came_from(run: Any) -> None:
    frames = [frame(1.5, "", way="open"), frame(1.5, trade(7), way="out"), frame(1.5, trade(7))]
    rows, said = run(frames, [answer(1, "/exchangeInfo", LIST)])
    assert rows == [
        {"i": 2, "symbol": "BTC/USDT", "native": "BTCUSDT", "type": "trade", "instrument": "binance:BTC/USDT",
         "channel": "trades", "at_ns": 4_000_000, "received_ns": 1_500_000_000, "source": "ws", "id": "7", "seq": 7,
         "side": "sell", "price": "1.50", "size": "2.0", "first_id": None, "last_id": None},
    ]  # fmt: skip
    assert said == "1 trade\n"


def test_what_is_on_no_list_goes_by_the_venues_own_name(run: Any) -> None:
    rows, _ = run([frame(1.5, trade(7, "ETHBTC"))], [answer(1, "/exchangeInfo", LIST)])
    assert [(row["symbol"], row["native"], row["instrument"]) for row in rows] == [
        ("ETHBTC", "ETHBTC", "binance:ETHBTC")
    ]


def test_books_are_printed_where_asked_and_follow_their_snapshot_in_time(run: Any, tmp_path: Path) -> None:
    frames = [
        frame(1.0, depth(1, 2, [["90.0", "1"]])),
        frame(2.0, depth(3, 4, [["91.0", "1"]])),
        frame(4.0, depth(5, 6, [["92.0", "1"]])),
        frame(5.0, depth(8, 9, [["93.0", "1"]])),
    ]
    answers = [
        answer(3.0, "/depth?symbol=BTCUSDT&limit=1000", snapshot(3, [["80.0", "1"]])),
        answer(0.0, "/exchangeInfo", LIST),
    ]
    lines = write(tmp_path / "lines.txt", ["1", "2,3"])
    rows, said = run(frames, answers, books_at=[f"@{lines}", "0"])
    assert [row for row in rows if row["type"] == "book"] == [
        {"i": 2, "symbol": "BTC/USDT", "native": "BTCUSDT", "type": "book", "instrument": "binance:BTC/USDT",
         "channel": "book", "sequence": 6, "bids": [["92.0", "1"], ["91.0", "1"], ["80.0", "1"]],
         "asks": [["200.0", "1"]]},
    ]  # fmt: skip
    assert said == "1 book, 3 book not synchronised, 4 book_delta\n"


def test_a_snapshot_from_before_the_first_delta_waits_for_it(run: Any) -> None:
    frames = [frame(None, trade(1)), frame(None, depth(4, 4, [["91.0", "1"]])), frame(1.0, depth(5, 5, []))]
    answers = [answer(-1, "/depth?symbol=BTCUSDT", snapshot(3, [["80.0", "1"]]))]
    rows, _ = run(frames, answers, books_at=["0,1,2"])
    assert [(row["i"], row["bids"]) for row in rows if row["type"] == "book"] == [
        (1, [["91.0", "1"], ["80.0", "1"]]),
        (2, [["91.0", "1"], ["80.0", "1"]]),
    ]


def test_a_book_that_runs_is_not_reset_by_another_answer(run: Any) -> None:
    frames = [frame(1.0, depth(1, 4, [["91.0", "1"]])), frame(3.0, depth(5, 5, [["92.0", "1"]]))]
    answers = [answer(at, "/depth?symbol=BTCUSDT", snapshot(3, [["80.0", "1"]])) for at in (2.0, 2.5)]
    rows, _ = run(frames, answers, books_at=["1"])
    assert [row["bids"][0] for row in rows if row["type"] == "book"] == [["92.0", "1"]]


def test_bad_lines_frames_and_answers_are_told_and_the_rest_goes_on(run: Any) -> None:
    frames = [
        frame(1.0, trade(1)), "{torn", frame(1.0, "not json"), frame(1.0, {"result": None, "id": 3}),
        frame(1.0, {"error": {"code": 2, "msg": "Invalid request"}, "id": 4}), frame(1.0, trade(2)),
    ]  # fmt: skip
    answers = [
        answer(1, "/nonsense", {}), answer(1, "/exchangeInfo", "<html>"),
        answer(1, "/depth?symbol=BTCUSDT", {"code": -1121, "msg": "Invalid symbol."}, 400),
    ]  # fmt: skip
    rows, said = run(frames, answers)
    assert [(row["i"], row["id"]) for row in rows] == [(0, "1"), (5, "2")]
    told = said.splitlines()
    assert "unknown_call: binance has no such REST call" in told[0]
    assert any(line.startswith("line 3: ") for line in told)
    assert any(line.startswith("line 5: refusal: 2 Invalid request") for line in told)
    assert any("day.ws.jsonl.gz:2: " in line for line in told)
    assert "1 ack" in told[-1]
    assert "2 trade" in told[-1]


def test_problems_are_counted_once_there_are_too_many(run: Any) -> None:
    rows, said = run([frame(1.0, "nonsense")] * 50)
    assert rows == []
    assert len(said.splitlines()) == 22
    assert said.splitlines()[20] == "and 30 problems more"


def test_a_torn_file_gives_what_it_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "day.ws.jsonl.gz", [frame(n, trade(n)) for n in range(2000)])
    path.write_bytes(path.read_bytes()[:-400])
    decode(path, venue="binance")
    said = capsys.readouterr()
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert 0 < len(rows) < 2000
    assert [row["seq"] for row in rows] == list(range(len(rows)))
    assert "torn: it ends in the middle of a flush" in said.err


def test_an_empty_list_of_lines_is_fine_and_a_wrong_one_is_not(run: Any, tmp_path: Path) -> None:
    empty = tmp_path / "none.txt"
    empty.write_text("")
    rows, said = run([], books_at=[f"@{empty}"])
    assert (rows, said) == ([], "nothing\n")
    for wrong in ("1,x", f"@{tmp_path / 'missing.txt'}"):
        with pytest.raises(ConfigError, match="--books-at"):
            run([], books_at=[wrong])


def test_a_reader_that_has_had_enough_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    path = write(tmp_path / "day.ws.jsonl", [frame(1, trade(1))])
    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(BrokenPipeError):
        decode(path, venue="binance")
    assert capsys.readouterr().err == ""


def test_a_missing_file_or_venue_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        decode(tmp_path / "none.ws.jsonl", venue="binance")
    with pytest.raises(ConfigError, match="did you mean 'binance'"):
        decode(tmp_path / "none.ws.jsonl", venue="binanse")


@pytest.mark.parametrize(
    ("capture", "venue"),
    [
        ("binance_spot_cryptofeed_20211012", "binance"),
        ("binance_usdm_cryptofeed_20210722", "binance-usdm"),
        ("okx_v5_cryptofeed_20220513", "okx"),
    ],
)
def test_real_books_are_what_another_implementation_made_of_them(
    shared: Path, capture: str, venue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with gzip.open(shared / "expected" / f"{capture}.cryptofeed.books.jsonl.gz", "rt") as lines:
        want = [row for row in map(json.loads, lines) if row.get("final")]
    folder = shared / "captures"
    decode(
        folder / f"{capture}.ws.jsonl.gz", venue=venue, rest=[folder / f"{capture}.rest.jsonl.gz"],
        books_at=[str(row["i"]) for row in want],
    )  # fmt: skip
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    books = {(row["i"], row["native"]): row for row in rows if row["type"] == "book"}
    assert want
    for row in want:
        ours = books[row["i"], row["exch_symbol"]]
        for side in ("bids", "asks"):
            got = [[float(price), float(size)] for price, size in ours[side]]
            assert got == [[float(price), float(size)] for price, size in row[side]]


def test_the_frames_of_an_account_are_read_by_the_private_decoder(run: Any) -> None:
    conn = "binance/main/ws_api#2"
    position = {"e": "outboundAccountPosition", "E": 5, "u": 5, "B": [{"a": "USDT", "f": "10.50", "l": "1.00"}]}
    refused = {"id": "open1", "status": 401, "error": {"code": -2015, "msg": "Invalid API-key"}}
    frames = [
        frame(1, "", way="open", conn=conn),
        frame(1, {"method": "userDataStream.subscribe.signature", "params": {"apiKey": "***"}}, way="out", conn=conn),
        frame(2, {"id": "open1", "status": 200, "result": {"subscriptionId": 0}}, conn=conn),
        frame(3, {"subscriptionId": 0, "event": position}, conn=conn),
        frame(4, {"event": {"e": "serverShutdown", "E": 6}}, conn=conn),
        frame(5, refused, conn=conn),
        frame(6, {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 7}}, conn=conn),
        frame(7, {"subscriptionId": 0, "event": {"e": "no such thing"}}, conn=conn),
        frame(8, trade(7), conn="binance/public/1#1"),
    ]
    rows, said = run(frames)
    assert [row["type"] for row in rows] == ["balance", "trade"]
    assert (rows[0]["i"], rows[0]["account"], rows[0]["free"], rows[0]["locked"]) == (3, "main", "10.50", "1.00")
    assert "line 6: refusal: " in said
    assert "line 8: unknown_type" in said
    assert "1 answer, 1 balance, 2 closing" in said


def test_each_endpoint_of_an_account_has_its_decoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    placed = {"id": "7", "status": 200, "result": {"orderId": 1}}
    path = write(tmp_path / "usdm.ws.jsonl", [frame(1, placed, conn="binance-usdm/main/ws_api#1")])
    decode(path, venue="binance-usdm")
    assert capsys.readouterr().err == "1 answer\n"
    beats = [frame(1, "pong", conn="okx/main/business#1"), frame(2, "pong", conn="okx/main/private#2"),
             frame(3, "pong", conn="okx/main/nowhere#3")]  # fmt: skip
    decode(write(tmp_path / "okx.ws.jsonl", beats), venue="okx")
    assert capsys.readouterr().err == "3 pong\n"
