import pytest
from wire_fakes import Script

from tapeline.wire.pipe import Pipe, Response


def test_a_response_is_a_value() -> None:
    said = Response(200, {"retry-after": "3"}, b"{}")
    assert said == Response(200, {"retry-after": "3"}, b"{}")
    with pytest.raises(AttributeError):
        said.status = 500  # type: ignore[misc]  # that is the point


def test_the_memory_pipe_of_these_tests_is_a_pipe() -> None:
    pipe: type[Pipe] = Script
    assert {name for name in dir(Pipe) if not name.startswith("_")} <= set(dir(pipe))
