"""How objects are laid out in a store: `/{group}/{resource}/{namespace}/{name}`.

Keys sort bytewise as whole strings, so `t-b/x` comes before `t/x`: the order in which a Kubernetes
API server lists all namespaces, and the one that its continue tokens rely on. (Python compares
strings by code point, UTF-8 keeps that order in bytes: both give the same one.)
"""

from dataclasses import dataclass

_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True)
class KeySpace:
    """The keys of one resource of one API group."""

    group: str
    resource: str

    @property
    def prefix(self) -> str:
        """What the keys of all its objects begin with."""
        return f"/{self.group}/{self.resource}/"

    def namespace_prefix(self, namespace: str) -> str:
        """Return what the keys of all objects in `namespace` begin with, and no others do.

        Raises ValueError like `key`.
        """
        return f"{self.prefix}{_part(namespace)}/"

    def key(self, namespace: str, name: str) -> str:
        """Return the key of one object.

        Raises ValueError where a part is empty or has a slash: that would be the key of something
        else.
        """
        return self.namespace_prefix(namespace) + _part(name)

    def parse(self, key: str) -> tuple[str, str]:
        """Return namespace and name of what `key` made. Raises ValueError for any other text."""
        if not key.startswith(self.prefix):
            raise ValueError(f"{key!r} does not begin with {self.prefix!r}")
        namespace, _, name = key.removeprefix(self.prefix).partition("/")
        return _part(namespace), _part(name)


def next_start(key: str) -> str:
    """Return the first string after `key`: where the page goes on of which it is the last item."""
    return key + "\0"


def prefix_end(prefix: str) -> str | None:
    """Return the first string after all that begin with `prefix`, or None where none is."""
    for length in range(len(prefix), 0, -1):
        last = ord(prefix[length - 1])
        if last < _LAST_CODE_POINT:
            return prefix[: length - 1] + _next_character(last)
    return None


def _next_character(code_point: int) -> str:
    # Surrogates are no characters of UTF-8, so no key has one.
    following = code_point + 1
    return chr(_SURROGATES.stop if following in _SURROGATES else following)


def _part(text: str) -> str:
    if not text or "/" in text:
        raise ValueError(f"{text!r} cannot be a part of a key")
    return text
