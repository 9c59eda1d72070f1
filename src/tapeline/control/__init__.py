"""How other processes ask a running instance, and what they read when it does not answer."""

from tapeline.control.asking import ask
from tapeline.control.listening import Handler, serve_control
from tapeline.control.overrides import Overrides, read_overrides, write_overrides
from tapeline.control.place import Holder, read_lock, socket_path
from tapeline.control.status_file import LastWord, StatusFile, read_status

__all__ = [
    "Handler",
    "Holder",
    "LastWord",
    "Overrides",
    "StatusFile",
    "ask",
    "read_lock",
    "read_overrides",
    "read_status",
    "serve_control",
    "socket_path",
    "write_overrides",
]
