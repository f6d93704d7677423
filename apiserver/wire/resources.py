"""What a resource is called and what is served of it: the value that all the rest asks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subresource:
    """A subresource and its verbs. Without a `kind` it is read and written as the resource's own."""

    name: str
    verbs: tuple[str, ...]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of an API group; `verbs` are those that are really served."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    list_kind: str
    verbs: tuple[str, ...]
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()

    @property
    def group_version(self) -> str:
        """Return what stands in `apiVersion`."""
        return f"{self.group}/{self.version}"

    @property
    def group_resource(self) -> str:
        """Return the name as most error messages give it: `plural.group`."""
        return f"{self.plural}.{self.group}"

    @property
    def group_kind(self) -> str:
        """Return the name as validation errors give it: `Kind.group`."""
        return f"{self.kind}.{self.group}"

    def subresource(self, name: str) -> Subresource | None:
        """Return the subresource of that name, or None where there is none."""
        return next((each for each in self.subresources if each.name == name), None)
