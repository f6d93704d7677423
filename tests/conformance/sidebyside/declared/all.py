"""Every decision, in the order of the page."""

from tests.conformance.sidebyside.declared.content import CONTENT
from tests.conformance.sidebyside.declared.representation import REPRESENTATION
from tests.conformance.sidebyside.declared.requests import REQUESTS
from tests.conformance.sidebyside.declared.warnings import WARNINGS

DECISIONS = (*CONTENT, *WARNINGS, *REQUESTS, *REPRESENTATION)

DECLARED = tuple(each for decision in DECISIONS for each in decision.differences)
