"""`make demo`: the main job by itself, from `kubectl create` to decoded packets.

Two network namespaces are the pods `web` and `client`. `client` sends HTTP requests to `web`, and
as much traffic on another port; a PacketCapture selects `web` and TCP port 80. An independent
tcpdump on the same interface with the same filter says how many packets there were: the exit
status is 0 only if exactly those were captured.
"""

import os
import sys
import tempfile
from pathlib import Path

from tests.demo.judge import captured_by_tcpdump, packets_in
from tests.demo.pods import OTHER_PORT, Pod, pods, send_requests, web_server
from tests.demo.privileges import missing_tools, run_with_capabilities
from tests.support.directories import until_removed
from tests.support.standalone import Standalone, kubectl_environment, standalone
from tests.support.terminal import CommandFailedError, Terminal

NODE = "this-machine"
REQUESTS = 1000
FILTER = "tcp port 80"

MANIFEST = """\
apiVersion: projectcalico.org/v3
kind: PacketCapture
metadata:
  name: http
  namespace: default
spec:
  selector: app == "web"
  filters:
  - protocol: TCP
    ports: [80]
"""


def main() -> int:
    """Run the demonstration; return 0 if captured and seen are equal."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    problem = missing_tools() or run_with_capabilities()
    if problem:
        sys.stderr.write(f"make demo cannot run here: {problem}\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="packetcapture-demo-") as directory:
        try:
            return _demonstrate(Path(directory))
        except CommandFailedError as error:
            sys.stderr.write(f"failed: {error}\n")
            return 1


def _demonstrate(directory: Path) -> int:
    with pods(directory / "workloads.yaml", node=NODE) as (web, client):
        sys.stdout.write(f"# pods web ({web.address}) and client ({client.address}) are up\n")
        with (
            web_server(web),
            standalone(
                directory / "state", workloads=directory / "workloads.yaml", node=NODE
            ) as installation,
        ):
            return _capture(directory, installation, web, client)


def _capture(directory: Path, installation: Standalone, web: Pod, client: Pod) -> int:
    environment = kubectl_environment(installation.kubeconfig, directory)
    os.chdir(directory)
    terminal = Terminal(environment)
    Path("http.yaml").write_text(MANIFEST)
    path = "/apis/projectcalico.org/v3/namespaces/default/packetcaptures/http"

    terminal.say("A capture of the HTTP traffic of every pod with the label app=web")
    terminal.run("cat http.yaml")
    terminal.run("kubectl create -f http.yaml")
    _until_state(terminal, "WaitingForTraffic")
    terminal.run("kubectl get packetcaptures.p")

    terminal.say(f"{REQUESTS} HTTP requests to port 80, and as many to port {OTHER_PORT}")
    with captured_by_tcpdump(web.interface, FILTER, directory / "seen.pcap") as seen:
        sent = send_requests(client, web, count=REQUESTS)
        _until_state(terminal, "Capturing")

        terminal.say("Ending the capture")
        terminal.run(
            "kubectl patch packetcaptures.p http --type=merge "
            """-p "{\\"spec\\":{\\"endTime\\":\\"$(date -u +%FT%TZ)\\"}}\""""
        )
        _until_state(terminal, "Finished")
    terminal.run("kubectl get packetcaptures.p")
    terminal.run("kubectl get packetcapture.projectcalico.org http -o yaml")

    terminal.say("The packets, through the API")
    file_name = f"web_{web.interface}.pcap"
    terminal.run(f"kubectl get --raw {path}/files")
    terminal.run(f"kubectl get --raw {path}/files/{NODE}/{file_name} > http.pcap")
    terminal.run("tcpdump -n -r http.pcap -c 6 2>/dev/null")
    packets = packets_in(directory / "http.pcap")
    decoded = int(terminal.run("tcpdump -n -r http.pcap 2>/dev/null | grep -c 'HTTP: GET'"))
    dropped = terminal.run(
        "kubectl get packetcaptures.p http -o jsonpath={.status.dropped}", show=False
    )

    terminal.say("Deleting it removes the files")
    lying = sorted(str(each.name) for each in installation.captures.rglob("*.pcap"))
    terminal.run("kubectl delete packetcaptures.p http")
    terminal.run(f"kubectl get --raw {path}/files", fails=True)
    until_removed(installation.captures / "default" / "http")

    sys.stdout.write(
        f"\nrequests sent: {sent}; packets captured: {packets}; "
        f"packets that tcpdump saw: {seen.packets}; packets dropped: {dropped}\n"
    )
    right = packets == seen.packets and decoded == REQUESTS and lying == [file_name]
    return 0 if right else 1


def _until_state(terminal: Terminal, state: str) -> None:
    """Follow the object, as a person does, until it says `state`."""
    terminal.follow("kubectl get packetcaptures.p http -w --no-headers", until=f" {state} ")


if __name__ == "__main__":
    sys.exit(main())
