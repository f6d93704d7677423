"""What can go wrong with a live capture; the text is for people, the fields for programs."""

from pathlib import Path
from typing import Final


class CaptureError(Exception):
    """A capture on `interface` failed in `operation`; `message` is libpcap's or the kernel's."""

    def __init__(self, interface: str, operation: str, message: str) -> None:
        super().__init__(f"{interface}: {operation}: {message}")
        self.interface = interface
        self.operation = operation
        self.message = message


class InterfaceNotFoundError(CaptureError):
    """There is no such interface, or its name belongs to another one by now."""


class InterfaceDownError(CaptureError):
    """The interface is there and down: a capture can start when it is up."""


class InterfaceGoneError(CaptureError):
    """The interface was there and was removed, or moved to another network namespace."""


class NamespaceGoneError(CaptureError):
    """The pod's network namespace is not found where it was proven to be."""


class CapturePermissionError(CaptureError):
    """The process lacks CAP_NET_RAW, or those that lead into a pod's network namespace."""


class LinkTypeError(CaptureError):
    """The interface carries no Ethernet frames."""


# Nothing passes meanwhile that could be captured.
NO_TRAFFIC: Final = (
    InterfaceNotFoundError,
    InterfaceDownError,
    InterfaceGoneError,
    NamespaceGoneError,
)


class FilterError(CaptureError):
    """The filter does not compile, or the kernel refuses its program."""


class NoRoomError(FilterError):
    """The filter's program takes more memory than the kernel gives a socket."""


class NothingPassesError(CaptureError):
    """No packet passes the filter, with the numbers that its names of ports have here."""


class FileError(Exception):
    """A capture file could not be made or written; `code` is an errno."""

    def __init__(self, path: Path, operation: str, code: int, message: str) -> None:
        super().__init__(f"{path}: {operation}: {message}")
        self.path = path
        self.operation = operation
        self.code = code
        self.message = message
