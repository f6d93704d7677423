"""`Warning` headers (apiserver, endpoints/filters/warning.go): texts that kubectl prints."""

import re
from collections.abc import Sequence

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MAX_TOTAL_LENGTH = 4096
_MAX_ITEM_LENGTH = 256


def warning_headers(messages: Sequence[str]) -> list[str]:
    """Return the values of the headers, one for each message.

    Repetitions and messages with control characters are left out. When all together are too long each
    is cut, and none begins beyond the limit.
    """
    distinct = [each for each in dict.fromkeys(messages) if each and not _CONTROL.search(each)]
    if sum(map(len, distinct)) > _MAX_TOTAL_LENGTH:
        distinct = _fitting([each[:_MAX_ITEM_LENGTH] for each in distinct])
    return [f"299 - {_quoted(each)}" for each in distinct]


def _fitting(messages: Sequence[str]) -> list[str]:
    fitting: list[str] = []
    length = 0
    for each in messages:
        if length >= _MAX_TOTAL_LENGTH:
            break
        fitting.append(each)
        length += len(each)
    return fitting


def _quoted(message: str) -> str:
    escaped = message.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
