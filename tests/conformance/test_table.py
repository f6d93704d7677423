"""The table in the documentation, by what a whole run has found: this comes last."""

from tests.conformance.results import DOCUMENT, FOUND


def test_the_documentation_says_what_a_whole_run_found(results):
    if not results.is_whole:
        return
    FOUND.parent.mkdir(exist_ok=True)
    FOUND.write_text(results.to_json())

    assert DOCUMENT.read_text() == results.document(), "`make update` writes it anew"
