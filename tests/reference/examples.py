"""Manifests of the reference: each is valid, and says what it is for."""

from typing import Final

EXAMPLES: Final[dict[str, str]] = {
    "All traffic of the pods of an application, until the object is deleted": """\
apiVersion: projectcalico.org/v3
kind: PacketCapture
metadata:
  name: web
  namespace: shop
spec:
  selector: app == 'web'
""",
    "Web traffic and name resolution, for an hour, and all gone a day later": """\
apiVersion: projectcalico.org/v3
kind: PacketCapture
metadata:
  name: web-and-dns
  namespace: shop
spec:
  selector: app == 'web' && !has(canary)
  filters:
  - protocol: TCP
    ports: [80, 443, "8000:8080"]
  - protocol: UDP
    ports: [53]
  startTime: "2026-01-02T15:00:00Z"
  endTime: "2026-01-02T16:00:00Z"
  ttlSecondsAfterFinished: 86400
""",
    "How connections to a network begin and break, headers only, at most 100,000 packets of each pod": """\
apiVersion: projectcalico.org/v3
kind: PacketCapture
metadata:
  name: handshakes
  namespace: shop
spec:
  selector: all()
  filters:
  - dstNets: [10.96.0.0/12, fd00:10:96::/112]
    direction: Out
    tcpFlags: [SYN, RST]
  headersOnly: true
  limits:
    packets: 100000
    bytes: 25Mi
    duration: 30m
""",
    "What tcpdump would be asked for, beside unreachable hosts": """\
apiVersion: projectcalico.org/v3
kind: PacketCapture
metadata:
  name: odd
  namespace: shop
spec:
  selector: tier in {'front', 'edge'}
  filters:
  - expression: greater 1400 and not tcp port 22
  - protocol: ICMP
    icmpType: 3
  snapLength: 256
""",
}
