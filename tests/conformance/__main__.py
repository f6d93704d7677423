"""Write docs/conformance.md by what the last whole run found."""

import sys

from tests.conformance.results import DOCUMENT, FOUND, Results

if not FOUND.exists():
    sys.exit(f"{FOUND} is missing: a whole run of tests/conformance writes it")
DOCUMENT.write_text(Results.read(FOUND.read_text()).document())
