"""Who makes a request."""

from dataclasses import dataclass, field

from apiserver.jsontypes import JsonObject

ANONYMOUS = "system:anonymous"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class User:
    """A user as Kubernetes knows one; `extra` values by lower-case key."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        """Return the user as UserInfo (authentication.k8s.io/v1)."""
        extra: JsonObject = {key: [*values] for key, values in self.extra.items()}
        members: JsonObject = {
            "username": self.name,
            "uid": self.uid,
            "groups": [*self.groups],
            "extra": extra,
        }
        return {key: value for key, value in members.items() if value}


def authenticated(user: User) -> User:
    """Return the user as a member of `system:authenticated`, as every authenticated one must be.

    Fetchers of discovery and OpenAPI arrive without any group (apiserver-protocol 0, rule 2). Whom
    the front proxy itself does not know stays unknown (8.1).
    """
    if user.name == ANONYMOUS or not {AUTHENTICATED, UNAUTHENTICATED}.isdisjoint(user.groups):
        return user
    return User(user.name, (*user.groups, AUTHENTICATED), user.uid, user.extra)
