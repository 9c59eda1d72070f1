"""The client's side of the control socket, plain and synchronous: commands use it."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tapeline.errors import BadData, ConnectionLost, Refused, TimedOut

ANSWER_BYTES = 2**26  # longest answer taken


def ask(path: Path, request: Mapping[str, Any], timeout_s: float = 1.0) -> Any:
    """The result of one request. Raises ConnectionLost, TimedOut, BadData, or Refused with the instance's own words."""
    buffer = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(timeout_s)
            asking.connect(str(path))
            asking.sendall(msgspec.json.encode(request) + b"\n")
            while not buffer.endswith(b"\n"):
                part = asking.recv(2**16)
                if not part or len(buffer) > ANSWER_BYTES:
                    raise ConnectionLost(f"the answer on {path} broke off after {len(buffer)} bytes")
                buffer += part
    except TimeoutError as error:
        raise TimedOut(f"no answer on {path} within {timeout_s:g} s") from error
    except OSError as error:
        raise ConnectionLost(f"nobody listens on {path}: {error.strerror or error}") from error
    try:
        answer = msgspec.json.decode(buffer, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadData(f"the answer on {path} is no JSON object: {error}", kind="json") from error
    if answer.get("ok") is not True:
        raise Refused(str(answer.get("error", "no reason given")))
    return answer.get("result")
