"""A cluster's API by kubectl: commands, and waiting for what its objects become."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.binaries import find
from tests.cluster.workloads import Document


class KubectlError(Exception):
    """kubectl failed; `stderr` is what it said."""

    def __init__(self, arguments: tuple[str, ...], stdout: str, stderr: str) -> None:
        super().__init__(f"kubectl {' '.join(arguments)}: {stderr}{stdout}")
        self.stderr = stderr


class Api:
    """What kubectl reaches with an admin's kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def kubectl(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002 - as subprocess names it
        check: bool = True,
        kubeconfig: Path | None = None,
        seconds: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the admin, or with another kubeconfig; raise KubectlError if it fails."""
        done = subprocess.run(
            self._kubectl(*arguments, kubeconfig=kubeconfig),
            input=input,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode:
            raise KubectlError(arguments, done.stdout, done.stderr)
        return done

    def get(self, *arguments: str) -> Document:
        """Return what `kubectl get` has, an object or a list."""
        shown: Document = json.loads(self.kubectl("get", *arguments, "--output=json").stdout)
        return shown

    def apply(self, *documents: Document, namespace: str = "default") -> None:
        """Apply documents."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        self.kubectl("apply", f"--namespace={namespace}", "-f-", input=json.dumps(items))

    def wait(
        self, condition: str, *resources: str, namespace: str = "default", seconds: float = 60.0
    ) -> None:
        """Return when all the resources, which exist, fulfil a condition of `kubectl wait`."""
        flags = (f"--for={condition}", f"--namespace={namespace}", f"--timeout={seconds}s")
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.kubectl("wait", *flags, *resources, seconds=seconds + 10)
            except KubectlError as error:
                # kubectl waits for a condition, but not for there being any.
                if "conditions accessor error" in error.stderr and time.monotonic() < deadline:
                    continue
                raise
            return

    def download(self, path: str, file: Path) -> None:
        """Write what `kubectl get --raw` has to a file; raise KubectlError."""
        arguments = ("get", "--raw", path)
        with file.open("wb") as content:
            done = subprocess.run(
                self._kubectl(*arguments), stdout=content, stderr=subprocess.PIPE, check=False
            )
        if done.returncode:
            raise KubectlError(arguments, "", done.stderr.decode())

    @contextmanager
    def following(self, *arguments: str) -> Iterator[Iterator[str]]:
        """Run a kubectl that goes on, as `get --watch` does: its lines, until the block ends."""
        command = self._kubectl(*arguments)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield process.stdout
            finally:
                process.kill()

    @contextmanager
    def watch(self, path: str, *, seconds: int = 60) -> Iterator[Iterator[Document]]:
        """Watch a collection (`/api/v1/pods?labelSelector=...`): events, first of what is there.

        The server ends the watch after that time.
        """
        # Version 0 begins with what kube-apiserver has cached. Without it, it would first bring the
        # cache up to date, which it cannot by an etcd before 3.4.31 ("Too large resource version").
        query = f"watch=true&resourceVersion=0&timeoutSeconds={seconds}"
        with self.following(
            "get", "--raw", f"{path}{'&' if '?' in path else '?'}{query}"
        ) as lines:
            yield map(json.loads, lines)

    def until(
        self, path: str, condition: Callable[[Document], bool], *, seconds: int = 60
    ) -> Document:
        """Return the first object of a collection, now or to come, for which the condition holds.

        Raises TimeoutError with the last object seen.
        """
        last: Document | None = None
        deadline = time.monotonic() + seconds
        # A server that starts or stops ends a watch, or answers with an ERROR: then once more.
        while (left := deadline - time.monotonic()) > 0:
            with self.watch(path, seconds=max(1, round(left))) as events:
                for event in events:
                    seen: Document = event["object"]
                    if event["type"] != "ERROR" and condition(seen):
                        return seen
                    last = seen
        raise TimeoutError(f"{path}: the last object was {json.dumps(last, indent=1)}")

    def _kubectl(self, *arguments: str, kubeconfig: Path | None = None) -> list[str]:
        return [find("kubectl"), f"--kubeconfig={kubeconfig or self.kubeconfig}", *arguments]
