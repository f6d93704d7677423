"""`python -m apiserver.standalone`: API server and node agent on this machine, in the foreground.

Everything lies in one state directory. Workloads come from a file of WorkloadEndpoint objects that
is followed while it changes (DESIGN 6).
"""

import argparse
import asyncio
import os
import shlex
import socket
import ssl
import sys
from asyncio.subprocess import Process
from pathlib import Path

from apiserver.agentapi.names import node_user
from apiserver.serving.clock import utc_now
from apiserver.serving.lifecycle import until_signalled
from apiserver.serving.logs import log_to_stderr
from apiserver.standalone.credentials import write_credentials
from apiserver.standalone.layout import Layout
from apiserver.standalone.processes import running

HOST = "127.0.0.1"
DEFAULT_NODE = "this-machine"
READY_SECONDS = 30.0
# The node is named in its certificate (RFC 5280, ub-common-name).
MAX_COMMON_NAME = 64
# Of a node, where the kubelet would evict pods, agents leave far more; a person's disk is often as full.
_MIN_FREE_PERCENT = 1
# A process tells nobody that it listens now; so it is asked.
_RETRY_SECONDS = 0.05


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m apiserver.standalone", description=__doc__)
    parser.add_argument("--state-dir", type=Path, default=Path(".run"))
    parser.add_argument("--workloads", type=Path, help="default: STATE_DIR/workloads.yaml")
    parser.add_argument("--capture-dir", type=Path, help="default: STATE_DIR/pcap")
    parser.add_argument("--node", type=_node_name, default=DEFAULT_NODE)
    parser.add_argument("--secure-port", type=int, default=6443, help="0: any free port")
    parser.add_argument("--agent-port", type=int, default=0, help="0: any free port")
    levels = ("DEBUG", "INFO", "WARNING", "ERROR")
    parser.add_argument("--log-level", default="WARNING", choices=levels)
    return parser.parse_args(arguments)


def _node_name(text: str) -> str:
    longest = MAX_COMMON_NAME - len(node_user(""))
    if not 0 < len(text) <= longest:
        raise argparse.ArgumentTypeError(f"must have 1 to {longest} characters: {text!r}")
    return text


async def run(options: argparse.Namespace) -> int:
    """Run both programs until a signal comes (0) or one of them ends by itself (1)."""
    layout = Layout(options.state_dir)
    layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    workloads: Path = options.workloads or layout.workloads
    port = options.secure_port or _free_port()
    agent_port = options.agent_port or _free_port()
    write_credentials(
        layout, node=options.node, server_url=f"https://{HOST}:{port}", now=utc_now()
    )
    async with (
        running("apiserver", *_server_arguments(layout, options, port, agent_port)) as server,
        running("nodeagent", *_agent_arguments(layout, options, workloads, agent_port)) as agent,
        asyncio.TaskGroup() as tasks,
    ):
        stopping = tasks.create_task(until_signalled())
        ends = [tasks.create_task(each.wait()) for each in (server, agent)]
        if await _ready(server, layout.authority.certificate, port):
            _print_welcome(layout, workloads, options.node)
        await asyncio.wait([stopping, *ends], return_when=asyncio.FIRST_COMPLETED)
        failed = not stopping.done()
        for task in (stopping, *ends):
            task.cancel()
    return 1 if failed else 0


def _server_arguments(
    layout: Layout, options: argparse.Namespace, port: int, agent_port: int
) -> list[str]:
    return [
        "--standalone",
        "--shutdown-delay-duration=0",
        f"--bind-address={HOST}",
        f"--secure-port={port}",
        f"--tls-cert-file={layout.server.certificate}",
        f"--tls-private-key-file={layout.server.key}",
        f"--client-ca-file={layout.authority.certificate}",
        f"--agent-ca-file={layout.authority.certificate}",
        f"--agent-client-cert-file={layout.server_as_client.certificate}",
        f"--agent-client-key-file={layout.server_as_client.key}",
        f"--agent={options.node}={HOST}:{agent_port}",
        f"--data-dir={layout.data}",
        f"--log-level={options.log_level}",
    ]


def _agent_arguments(
    layout: Layout, options: argparse.Namespace, workloads: Path, agent_port: int
) -> list[str]:
    return [
        f"--node-name={options.node}",
        f"--kubeconfig={layout.agent_kubeconfig}",
        f"--workloads={workloads}",
        f"--capture-dir={options.capture_dir or layout.captures}",
        f"--bind-address={HOST}",
        f"--secure-port={agent_port}",
        f"--tls-cert-file={layout.agent.certificate}",
        f"--tls-private-key-file={layout.agent.key}",
        f"--client-ca-file={layout.authority.certificate}",
        f"--log-level={options.log_level}",
        f"--min-free-percent={_MIN_FREE_PERCENT}",
    ]


def _free_port() -> int:
    """Return a port that is free now; should another take it first, the program says so and ends."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


async def _ready(server: Process, authority: Path, port: int) -> bool:
    """Wait until the API server takes connections; False if it ended or is too slow."""
    context = ssl.create_default_context(cafile=str(authority))
    try:
        async with asyncio.timeout(READY_SECONDS):
            while server.returncode is None:
                try:
                    _, writer = await asyncio.open_connection(HOST, port, ssl=context)
                except OSError:
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                writer.close()
                return True
    except TimeoutError:
        pass
    return False


def _print_welcome(layout: Layout, workloads: Path, node: str) -> None:
    kubeconfig = shlex.quote(str(layout.admin_kubeconfig.resolve()))
    sys.stdout.write(
        f"ready. In another terminal:\n\n"
        f"    export KUBECONFIG={kubeconfig}\n"
        f"    kubectl get packetcaptures.p -A\n\n"
        f"Workloads of the node {node} are read from {workloads}, now and whenever it changes.\n"
        f"Ctrl-C ends all.\n"
    )
    sys.stdout.flush()


def main() -> int:
    """Run until told to stop; a second Ctrl-C stops at once."""
    os.umask(0o077)
    options = parse_arguments(sys.argv[1:])
    log_to_stderr(options.log_level)
    try:
        return asyncio.run(run(options))
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        sys.stderr.write(f"cannot start: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
