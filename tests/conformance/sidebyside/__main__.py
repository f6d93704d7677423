"""Write docs/differences.md anew."""

from tests.conformance.sidebyside.declared.all import DECISIONS
from tests.conformance.sidebyside.page import PAGE, page
from tests.conformance.sidebyside.scenarios.all import SCENARIOS

PAGE.write_text(page(DECISIONS, SCENARIOS))
