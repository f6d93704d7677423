"""A node of the cluster: containerd, kubelet and kube-proxy in a sandbox within the control plane's.

Its /run, /var/lib and /var/log are its own, and so are its processes, links and mounts. The rest
of the file system is the machine's.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import cni
from tests.cluster.binaries import find
from tests.cluster.controlplane import ControlPlane
from tests.cluster.network import Network
from tests.cluster.pki import Authority
from tests.cluster.ready import until_ready
from tests.cluster.sandbox import Process, Sandbox
from tests.cluster.workloads import IMAGE

# The node's own files, as it sees them.
_FILES = "/var/lib/node"
_CONTAINERD = "/run/containerd/containerd.sock"
# Room for captures, beyond what agents leave free.
_CAPTURE_DISK_BYTES = 4 << 30
# What the kubelet would set for the whole machine, and is content to find set.
_TUNABLES = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node is: its name, its number from 1, its directory on the machine, its network."""

    name: str
    index: int
    root: Path
    network: Network
    cni: cni.Plugin

    @property
    def address(self) -> str:
        """The node's address."""
        return self.network.node(self.index)


class Node:
    """A node; everything of it ends with its sandbox."""

    def __init__(self, place: Place, sandbox: Sandbox, *, logs: Path) -> None:
        self.name = place.name
        self.address = place.address
        self.cni = place.cni
        self.root = place.root
        self._place = place
        self._sandbox = sandbox
        self._logs = logs
        self._make_file_system()
        if self.cni == "macvlan":
            self._make_pods_gateway()
        self._write_containerd_files()
        self.containerd = self._start("containerd", f"--config={_FILES}/containerd.toml")

    @property
    def captures(self) -> Path:
        """The directory of capture files, as it is seen from the machine while the node is there."""
        return Path(f"/proc/{self._sandbox.pid}/root/var/log/calico/pcap")

    def run(
        self, *command: str, stdin: bytes | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command in the node's namespaces; raise CommandError if it fails and `check`."""
        return self._sandbox.run(*command, stdin=stdin, check=check)

    def start(self, *command: str, log: Path) -> Process:
        """Start a program in the node's namespaces."""
        return self._sandbox.start(*command, log=log)

    def load_image(self, archive: Path) -> None:
        """Load a docker-archive."""
        until_ready(self.containerd, self._containerd_answers)
        self.run(*_ctr("images", "import", "-"), stdin=archive.read_bytes())

    def join(self, control_plane: ControlPlane, authority: Authority) -> None:
        """Start kubelet and kube-proxy."""
        self._write_kubelet_files(control_plane, authority)
        self.kubelet = self._start(
            "kubelet",
            f"--config={_FILES}/kubelet.json",
            f"--kubeconfig={_FILES}/kubelet.kubeconfig",
            f"--hostname-override={self.name}",
            f"--node-ip={self.address}",
        )
        self.kube_proxy = self._start(
            "kube-proxy",
            f"--kubeconfig={_FILES}/kube-proxy.kubeconfig",
            f"--hostname-override={self.name}",
            f"--cluster-cidr={self._place.network.pods}",
            "--proxy-mode=iptables",
            # These would be set for the whole machine.
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0s",
            "--conntrack-tcp-timeout-close-wait=0s",
        )

    def restart_kubelet(self) -> None:
        """Kill the kubelet and start it again; its containers go on."""
        self.kubelet.restart()

    def _start(self, name: str, *flags: str) -> Process:
        return self._sandbox.start(find(name), *flags, log=self._logs / f"{name}.log")

    def _make_file_system(self) -> None:
        for path in ("var/lib", "var/log"):
            (self.root / path).mkdir(parents=True)
        (self.root / _FILES[1:]).mkdir()
        for name, value in _TUNABLES.items():
            file = self.root / _FILES[1:] / name.replace("/", ".")
            file.write_text(f"{value}\n")
            self.run("mount", "--bind", str(file), f"/proc/sys/{name}")
        for path in ("var/lib", "var/log"):
            self.run("mount", "--bind", str(self.root / path), f"/{path}")
        # Agents capture nothing on a disk that is nearly full, as this machine's may be.
        self.run("mkdir", "/var/log/calico")
        size = f"mode=755,size={_CAPTURE_DISK_BYTES}"
        self.run("mount", "-t", "tmpfs", "-o", size, "tmpfs", "/var/log/calico")
        self.run("hostname", self.name)

    def _make_pods_gateway(self) -> None:
        # A link and the macvlans on it do not hear each other. One more macvlan is the node's own
        # end: by it its pods reach the node, the Services and everybody else.
        link = ("link", "eth0", "name", "pods", "type", "macvlan", "mode", "bridge")
        gateway = self._place.network.gateway_of(self._place.index)
        self._sandbox.ip("link", "add", *link)
        self._sandbox.ip("address", "add", f"{gateway}/24", "dev", "pods")
        self._sandbox.ip("link", "set", "pods", "up")
        # A Service may lead back to a pod of this node, whose answer would go to the asking pod
        # without coming by here, where its source is put right.
        pods = self._place.network.pods_of(self._place.index)
        back = ("--source", pods, "--destination", pods, "--jump", "MASQUERADE")
        self.run("iptables", "--table=nat", "--append=POSTROUTING", *back)

    def _write_containerd_files(self) -> None:
        config = cni.configuration(self.cni, pods=self._place.network.pods_of(self._place.index))
        self._write("cni/10-pods.conflist", json.dumps(config))
        self._write("containerd.toml", _containerd_configuration())

    def _write_kubelet_files(self, control_plane: ControlPlane, authority: Authority) -> None:
        files = self.root / _FILES[1:]
        (files / "ca.crt").write_bytes(authority.certificate)
        serving = authority.issue(self.name, dns_names=[self.name], addresses=[self.address])
        serving.write(files, "kubelet")
        cgroup = f"/{self._place.network.name}/{self.name}"
        self._write("kubelet.json", json.dumps(_kubelet_configuration(cgroup)))
        kubelet = authority.issue(f"system:node:{self.name}", organizations=["system:nodes"])
        control_plane.write_kubeconfig(files / "kubelet.kubeconfig", kubelet)
        kube_proxy = authority.issue("system:kube-proxy")
        control_plane.write_kubeconfig(files / "kube-proxy.kubeconfig", kube_proxy)

    def _write(self, name: str, text: str) -> None:
        path = self.root / _FILES[1:] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _containerd_answers(self) -> bool:
        return self.run(*_ctr("version"), check=False).returncode == 0


def _ctr(*arguments: str) -> list[str]:
    return [find("ctr"), f"--address={_CONTAINERD}", "--namespace=k8s.io", *arguments]


def _containerd_configuration() -> str:
    # restrict_oom_score_adj: runc ends with "can't get final child's PID from pipe: EOF" where it
    # may not lower oom_score_adj (no CAP_SYS_RESOURCE).
    # The plugin `opt` would make /opt/containerd on the machine.
    return f"""\
version = 2
disabled_plugins = ["io.containerd.internal.v1.opt"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{cni.DIRECTORY}"
  conf_dir = "{_FILES}/cni"
"""


def _kubelet_configuration(cgroup: str) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{_FILES}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{_FILES}/kubelet.crt",
        "tlsPrivateKeyFile": f"{_FILES}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{_CONTAINERD}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "resolvConf": "",
        # A full disk is the machine's affair: no image and no pod goes for it.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "0%",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        },
    }
