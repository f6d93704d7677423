"""The table of bad manifests: its text, what is sent for a case, and what was answered.

A case has a `spec` or whole `metadata`, or a `body` as it is sent; `grown` repeats texts and the items
of lists, by their path; `was` is the spec that is stored before, so that the rest is an update. Of 422
`errors` are the causes, of another code the message.

`python -m tests.protocol.badmanifests` writes the answers of the running code into the table: whoever
changes a message reads what that makes of it.
"""

import asyncio
import re
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from apiserver.wire.yamltext import parse_yaml
from tests.support.client import Answer, Client, capture, collection
from tests.support.server import install, serving
from tests.support.session import open_session

TABLE = Path(__file__).with_name("bad_manifests.yaml")

_BETWEEN = re.compile(r"^(?:# .*\n)*---\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Case:
    """One document of the table: its text up to the answer, and all of it parsed."""

    text: str
    fields: dict[str, Any]

    @property
    def name(self) -> str:
        """What is wrong; the number of a trap of calico-semantics 8 stands in front."""
        return str(self.fields["case"])

    @property
    def answer(self) -> tuple[int, list[str]]:
        """The code, and all that is wrong, in order."""
        return self.fields["answer"], self.fields["errors"]

    async def send(self, client: Client, namespace: str) -> Answer:
        """Send what is bad, as an update if there was something before."""
        sent, query = self._sent(), self.fields.get("query", {})
        if "was" not in self.fields:
            return await client.request("POST", collection(namespace), sent, **query)
        made = (await client.create(namespace, capture(**self.fields["was"]))).json
        path = collection(namespace, "http")
        return await client.put(path, made | {"spec": self.fields["spec"]}, **query)

    def _sent(self) -> Any:
        if "body" in self.fields:
            return self.fields["body"].encode()
        made = capture()
        for name in self.fields.keys() & {"metadata", "spec"}:
            # A copy, as what grows is changed.
            made[name] = deepcopy(self.fields[name])
        for path, times in self.fields.get("grown", {}).items():
            _grow(made, path, times)
        return made


def _grow(manifest: Any, path: str, times: int) -> None:
    """Repeat the text or the list at a path such as `spec.filters.0.ports`."""
    *way, last = (int(key) if key.isdigit() else key for key in path.split("."))
    for key in way:
        manifest = manifest[key]
    manifest[last] = manifest[last] * times


def read(table: str) -> list[Case]:
    """Return the cases of a table."""
    texts = _BETWEEN.split(table)[1:]
    parsed = [parse_yaml(text.encode(), max_depth=20)[0] for text in texts]
    return [
        Case(text.partition("answer: ")[0], fields)
        for text, fields in zip(texts, parsed, strict=True)
        if isinstance(fields, dict)
    ]


def said(answer: Answer) -> tuple[int, list[str]]:
    """Return the code of an answer, and what it says to be wrong."""
    if answer.code != 422:
        return answer.code, [answer.json.get("message", "")]
    causes = answer.json["details"]["causes"]
    return answer.code, [f"{each['field']}: {each['message']}" for each in causes]


def written(table: str, answers: list[tuple[int, list[str]]]) -> str:
    """Return a table with other answers."""
    between = _BETWEEN.findall(table)
    head = table[: table.index(between[0])]
    cases = zip(between, read(table), answers, strict=True)
    return head + "".join(f"{mark}{case.text}{_answer(*answer)}" for mark, case, answer in cases)


def _answer(code: int, errors: list[str]) -> str:
    return "\n".join([f"answer: {code}", "errors:", *(f"- |-\n  {each}" for each in errors), ""])


async def _answers(cases: list[Case]) -> list[tuple[int, list[str]]]:
    with TemporaryDirectory() as directory:
        installation = install(Path(directory))
        with serving(installation) as server:
            async with open_session() as session:
                tls = installation.client(installation.layout.admin)
                client = Client(session, server.url, tls)
                return [
                    said(await case.send(client, f"case-{number}"))
                    for number, case in enumerate(cases)
                ]


if __name__ == "__main__":
    text = TABLE.read_text()
    TABLE.write_text(written(text, asyncio.run(_answers(read(text)))))
