"""What can be wrong with a patch; each kind is one answer to the client."""


class PatchError(ValueError):
    """A patch that cannot be applied; the text says why."""


class MalformedPatchError(PatchError):
    """A patch that makes no sense for any object: a bad request."""


class UnfitPatchError(PatchError):
    """A patch that does not fit the object that it is for, or that would make too much of it.

    Clients are not told why, as in Kubernetes.
    """


class PatchTooLongError(PatchError):
    """A patch of too many operations."""
