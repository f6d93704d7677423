"""kubectl of three ages does all that it can do with a resource."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.checks import client
from tests.conformance.clients.kubectl import AGES, name_of
from tests.conformance.clients.sessions import DIRECTORY, read_steps, title_of

# What kubectl needs besides the resource itself (kube-apiserver's reviews of access; OpenAPI v2 in
# protobuf before 1.27) only kube-apiserver has. One session shows that the other door is the same.
_DIRECT = ("changes", (32, 36))


def _cases() -> Iterator[object]:
    for path in sorted(DIRECTORY.glob("*.txt")):
        for age in AGES:
            mark = client(name_of(age), title_of(path))
            doors = ["aggregated"] + ["direct"] * (path.stem == _DIRECT[0] and age in _DIRECT[1])
            for door in doors:
                case = f"{path.stem}-1.{age}-{door}"
                yield pytest.param(door, age, path, marks=mark, id=case)


@pytest.mark.parametrize(("door", "age", "session_file"), [*_cases()], indirect=["door"])
def test_a_session_goes_as_with_any_resource(aged, session_file: Path):
    text = session_file.read_text().replace("$NAMESPACE", aged.namespace)

    for step in read_steps(text, age=aged.age):
        done = aged(*step.arguments, editor=step.editor, cwd=DIRECTORY)

        story = f"$ {step.typed}\n{done.output}(exit {done.code}) instead of\n"
        assert (done.code != 0) == step.fails, story
        assert step.is_met_by(done.output), story + "\n".join(step.said)
