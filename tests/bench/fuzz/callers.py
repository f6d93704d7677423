"""Who sends the requests."""

import ssl

from tests.support.server import Installation

# One connection each.
CALLERS = (*("admin",) * 10, *("proxy",) * 3, "user", "nobody", "node")


def callers(installation: Installation) -> dict[str, ssl.SSLContext]:
    """Return what each caller shows of itself."""
    return {
        "admin": installation.client(installation.layout.admin),
        "proxy": installation.proxy(),
        "user": installation.user("alice", "people"),
        "nobody": installation.nobody(),
        "node": installation.node("n1"),
    }
