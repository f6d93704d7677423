"""The notation of sessions with kubectl."""

import pytest

from tests.conformance.clients.sessions import DIRECTORY, Step, read_steps

TEXT = """\
what it shows

# a remark
$ EDITOR='sed -i s/a/b/' edit thing
[1.20] done
[1.32+] edited
[1.32-] early

[1.32+] ! get 'two words'
"""


def test_an_age_has_its_own_steps_and_words():
    of_age = {age: [*read_steps(TEXT, age=age)] for age in (20, 32, 36)}

    assert {age: [step.said for step in steps] for age, steps in of_age.items()} == {
        20: [("done", "early")],
        32: [("edited", "early"), ()],
        36: [("edited",), ()],
    }
    edit, get = of_age[36]
    assert (edit.arguments, edit.editor, edit.fails) == (["edit", "thing"], "sed -i s/a/b/", False)
    assert (get.arguments, get.editor, get.fails) == (["get", "two words"], "true", True)


@pytest.mark.parametrize(
    ("said", "output", "is_met"),
    [
        pytest.param(["a b"], "\n  a\t b \n\n", True, id="spaces do not matter"),
        pytest.param([], "", True, id="nothing is nothing"),
        pytest.param([], "a", False, id="something is not nothing"),
        pytest.param(["a"], "a\nb", False, id="a line too many"),
        pytest.param(["a", "b"], "a", False, id="a line too few"),
        pytest.param(["a ... c"], "a b c", True, id="any text"),
        pytest.param(["a.c"], "abc", False, id="no text by a single dot"),
        pytest.param(["a", "...", "c"], "a\nb\nb\nc", True, id="any lines"),
        pytest.param(["a", "...", "c"], "a\nc", True, id="no lines"),
        pytest.param(["...", "c"], "a\nd", False, id="any lines, and then another"),
    ],
)
def test_what_is_said_is_compared_whole(said, output, is_met):
    assert Step("get", fails=False, said=tuple(said)).is_met_by(output) is is_met


@pytest.mark.parametrize("path", sorted(DIRECTORY.glob("*.txt")), ids=lambda path: path.stem)
def test_a_session_has_a_title_and_steps_for_every_age(path):
    text = path.read_text()

    assert text.splitlines()[1] == ""
    assert all(len([*read_steps(text, age=age)]) > 10 for age in (20, 32, 36))
