"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler in a sandbox."""

import http.client
import ssl
from collections.abc import Iterable
from pathlib import Path

from tests.cluster.binaries import find
from tests.cluster.kubeconfig import write_kubeconfig
from tests.cluster.network import Network
from tests.cluster.pki import Authorities, Pair
from tests.cluster.ready import until_ready
from tests.cluster.sandbox import Process, Sandbox

PORT = 6443
_ETCD = "http://127.0.0.1:2379"


class ControlPlane:
    """The programs of the control plane. `directory` takes their certificates and logs."""

    def __init__(
        self, sandbox: Sandbox, network: Network, authorities: Authorities, directory: Path
    ) -> None:
        self.server = f"https://{network.control_plane}:{PORT}"
        self.kubeconfig = directory / "kubeconfig"
        self._sandbox = sandbox
        self._network = network
        self._authorities = authorities
        self._directory = directory
        self._pki = directory / "pki"
        self._write_certificates()
        admin = authorities.cluster.issue("admin", organizations=["system:masters"])
        self.write_kubeconfig(self.kubeconfig, admin)

    def start(self) -> None:
        """Start etcd and kube-apiserver; see `finish`."""
        # In memory: nothing of it is kept, and writing to disk would only take time.
        etcd = ("--data-dir=/run/etcd", "--listen-peer-urls=http://127.0.0.1:2380")
        urls = (f"--listen-client-urls={_ETCD}", f"--advertise-client-urls={_ETCD}")
        self.etcd = self._start("etcd", *etcd, *urls)
        self.kube_apiserver = self._start("kube-apiserver", *self._kube_apiserver_flags())

    def finish(self) -> None:
        """Wait for kube-apiserver, and start its controllers and the scheduler."""
        self.until_ready()
        self.kube_controller_manager = self._start_controller(
            "kube-controller-manager",
            f"--service-account-private-key-file={self._pki}/service-accounts.key",
            f"--root-ca-file={self._pki}/ca.crt",
            f"--cluster-signing-cert-file={self._pki}/ca.crt",
            f"--cluster-signing-key-file={self._pki}/ca.key",
            "--use-service-account-credentials=true",
        )
        self.kube_scheduler = self._start_controller("kube-scheduler")

    def restart_kube_apiserver(self) -> None:
        """Kill kube-apiserver and start it again; return when it is ready."""
        self.kube_apiserver.restart()
        self.until_ready()

    def until_ready(self) -> None:
        """Return when kube-apiserver says that it is ready."""
        until_ready(self.kube_apiserver, self._is_ready)

    def write_kubeconfig(self, path: Path, client: Pair) -> Path:
        """Write how a client, whom its certificate names, reaches kube-apiserver."""
        authority = self._authorities.cluster.certificate
        return write_kubeconfig(path, server=self.server, authority=authority, client=client)

    def _write_certificates(self) -> None:
        authority = self._authorities.cluster
        authority.write(self._pki, "ca")
        self._authorities.front_proxy.write(self._pki, "front-proxy-ca")
        self._authorities.front_proxy.issue("front-proxy-client").write(self._pki, "front-proxy")
        authority.issue("service-accounts").write(self._pki, "service-accounts")
        authority.issue(
            "kube-apiserver",
            dns_names=["kubernetes.default.svc", "kubernetes.default", "localhost"],
            addresses=[self._network.control_plane, self._network.kubernetes_service, "127.0.0.1"],
        ).write(self._pki, "kube-apiserver")
        authority.issue("kube-apiserver", organizations=["system:masters"]).write(
            self._pki, "kubelet-client"
        )

    def _kube_apiserver_flags(self) -> Iterable[str]:
        return (
            f"--etcd-servers={_ETCD}",
            f"--secure-port={PORT}",
            "--bind-address=0.0.0.0",
            f"--advertise-address={self._network.control_plane}",
            f"--tls-cert-file={self._pki}/kube-apiserver.crt",
            f"--tls-private-key-file={self._pki}/kube-apiserver.key",
            f"--client-ca-file={self._pki}/ca.crt",
            f"--service-account-key-file={self._pki}/service-accounts.crt",
            f"--service-account-signing-key-file={self._pki}/service-accounts.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={self._network.services}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--kubelet-client-certificate={self._pki}/kubelet-client.crt",
            f"--kubelet-client-key={self._pki}/kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={self._pki}/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={self._pki}/front-proxy.crt",
            f"--proxy-client-key-file={self._pki}/front-proxy.key",
            # It dials the endpoints of an aggregated server's Service itself: no kube-proxy here.
            "--enable-aggregator-routing=true",
        )

    def _start_controller(self, name: str, *flags: str) -> Process:
        kubeconfig = self._directory / f"{name}.kubeconfig"
        client = self._authorities.cluster.issue(f"system:{name}")
        self.write_kubeconfig(kubeconfig, client)
        roles = ("", "authentication-", "authorization-")
        files = [f"--{role}kubeconfig={kubeconfig}" for role in roles]
        return self._start(name, *files, "--leader-elect=false", *flags)

    def _start(self, name: str, *flags: str) -> Process:
        log = self._directory / "logs" / f"{name}.log"
        return self._sandbox.start(find(name), *flags, log=log)

    def _is_ready(self) -> bool:
        tls = ssl.create_default_context(cafile=self._pki / "ca.crt")
        tls.load_cert_chain(self._pki / "kubelet-client.crt", self._pki / "kubelet-client.key")
        connection = http.client.HTTPSConnection(
            self._network.control_plane, PORT, context=tls, timeout=5
        )
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()
