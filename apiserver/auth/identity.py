"""Who makes a request."""

from dataclasses import dataclass, field

AUTHENTICATED = "system:authenticated"
MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class User:
    """A user as Kubernetes knows one; `extra` values by lower-case key."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)


def authenticated(user: User) -> User:
    """Return the user as a member of `system:authenticated`, as every authenticated one must be.

    Fetchers of discovery and OpenAPI arrive without any group (apiserver-protocol 0, rule 2).
    """
    if AUTHENTICATED in user.groups:
        return user
    return User(user.name, (*user.groups, AUTHENTICATED), user.uid, user.extra)
