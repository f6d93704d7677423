"""Where everything of a one-machine installation lies: one directory, its owner's alone."""

from dataclasses import dataclass
from pathlib import Path

from apiserver.serving.tls import TLSFiles


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one state directory."""

    root: Path

    @property
    def authority(self) -> TLSFiles:
        """The CA of this installation."""
        return self._pair("ca")

    @property
    def server(self) -> TLSFiles:
        """The API server's serving certificate."""
        return self._pair("apiserver")

    @property
    def server_as_client(self) -> TLSFiles:
        """The certificate that the API server shows to the node agent."""
        return self._pair("apiserver-client")

    @property
    def agent(self) -> TLSFiles:
        """The node agent's certificate, for serving and for calling the API server."""
        return self._pair("agent")

    @property
    def admin(self) -> TLSFiles:
        """The certificate in the admin kubeconfig."""
        return self._pair("admin")

    @property
    def admin_kubeconfig(self) -> Path:
        """The kubeconfig of a user who may do everything."""
        return self.root / "kubeconfig"

    @property
    def agent_kubeconfig(self) -> Path:
        """The node agent's kubeconfig."""
        return self.root / "agent.kubeconfig"

    @property
    def data(self) -> Path:
        """The embedded store."""
        return self.root / "data"

    @property
    def workloads(self) -> Path:
        """The file of WorkloadEndpoint objects, if none is named."""
        return self.root / "workloads.yaml"

    @property
    def captures(self) -> Path:
        """The agent's capture directory, if none is named."""
        return self.root / "pcap"

    def _pair(self, name: str) -> TLSFiles:
        directory = self.root / "pki"
        return TLSFiles(directory / f"{name}.crt", directory / f"{name}.key")
