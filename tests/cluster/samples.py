"""Something to capture: a web server on both nodes, and a client that asks it all the time."""

from tests.cluster.cluster import Cluster
from tests.cluster.workloads import deployment, service

_SERVE = "mkdir /www && hostname > /www/index.html && exec httpd -f -h /www"
# There is no DNS in the cluster; the kubelet tells pods the addresses of the Services before them.
_ASK = "while sleep 1; do wget -q -O- http://$WEB_SERVICE_HOST/; done"


def start_samples(cluster: Cluster) -> None:
    """Start the workloads `web` and `client` in the namespace `default`."""
    cluster.apply(service("web"))
    cluster.apply(
        deployment("web", replicas=2, command=["sh", "-c", _SERVE]),
        deployment("client", replicas=1, command=["sh", "-c", _ASK]),
    )
    cluster.wait("condition=Available", "deployment/web", "deployment/client")
