"""How the pods of a node are connected: one file differs."""

from typing import Literal, TypeAlias

Plugin: TypeAlias = Literal["bridge", "ptp", "macvlan"]

DIRECTORY = "/usr/lib/cni"  # where Debian's containernetworking-plugins puts them


def configuration(plugin: Plugin, *, pods: str) -> dict[str, object]:
    """Return a CNI network configuration list for a node whose pods are in the network `pods`."""
    routes = [{"dst": "0.0.0.0/0"}]
    ipam = {"type": "host-local", "subnet": pods, "routes": routes}
    main: dict[str, object] = {"type": plugin, "ipam": ipam}
    match plugin:
        case "bridge":
            main |= {"bridge": "cni0", "isGateway": True, "hairpinMode": True}
        case "macvlan":
            main |= {"master": "eth0", "mode": "bridge"}
        case "ptp":
            pass
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [main, ports]}
