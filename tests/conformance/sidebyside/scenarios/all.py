"""Every scenario."""

from tests.conformance.sidebyside.scenarios import (
    applying,
    bodies,
    creating,
    deleting,
    forms,
    patching,
    reading,
    refusedapplies,
    updating,
)
from tests.conformance.sidebyside.steps import Scenario

_MODULES = (
    creating,
    bodies,
    reading,
    updating,
    patching,
    applying,
    refusedapplies,
    deleting,
    forms,
)

SCENARIOS = tuple(
    each for module in _MODULES for each in vars(module).values() if isinstance(each, Scenario)
)
