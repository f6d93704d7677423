"""By which names the API server and the agents find, know and trust each other. Pure."""

SERVER_COMMON_NAME = "packetcapture-apiserver"
NODE_USER_PREFIX = "packetcapture:node:"
NODES_GROUP = "packetcapture:nodes"

# How the agents' pods are found in a cluster.
AGENT_POD_SELECTOR = "app.kubernetes.io/name=packetcapture-agent"

# The signer of the agents' serving certificates, and the ConfigMap that tells them whom to believe.
AGENT_SIGNER = "projectcalico.org/packetcapture-agent"
AGENT_COMMON_NAME = "packetcapture-agent"
TRUST_CONFIG_MAP = "packetcapture-trust"
TRUST_KEY = "ca.crt"

# What an agent asks for is `?view=spec`. A list answered to it carries the id of the data it came from
# (DESIGN 9.7).
VIEW_SPEC = "spec"
STORE_IDENTITY_ANNOTATION = "packetcapture.projectcalico.org/store-identity"


def agent_dns_name(node: str) -> str:
    """Return the name that the serving certificate of a node's agent must carry."""
    return f"{node}.packetcapture-agent"


def node_user(node: str) -> str:
    """Return the user name of a node's agent where there is no ServiceAccount."""
    return f"{NODE_USER_PREFIX}{node}"
