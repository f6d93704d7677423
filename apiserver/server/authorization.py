"""May this user do this? The answer as clients are told."""

from apiserver.auth.access import Access, UndecidedError
from apiserver.auth.identity import User
from apiserver.wire import status
from apiserver.wire.request import RequestInfo, access_denied


async def require_access(access: Access, user: User, info: RequestInfo) -> None:
    """Raise ApiError: 403 where the user may not do this, 500 where nobody can tell."""
    try:
        decision = await access.decide(user, info)
    except UndecidedError as error:
        raise status.internal(str(error)) from error
    if not decision.allowed:
        raise access_denied(user.name, info, why=decision.reason)
