"""Specs that ask much of the server: bad ones by the thousands, the largest legal ones, and far larger ones."""

from typing import Any, Final

HALF_A_MEGABYTE: Final = 512 << 10


def bad_spec(number: int) -> dict[str, Any]:
    """Return one of several sorts of bad specs; no two are the same."""
    sorts: list[dict[str, Any]] = [
        {"selector": f"app{number} ="},
        {"filters": [{"protocol": f"tcp{number}", "ports": [0, f"x_{number}"]}]},
        {"filters": [{"srcNets": [f"10.0.{number % 256}.{number // 256}/8"]}] * 20},
        {"filters": [{"expression": f"tcp port {number + 1} and udp ("}]},
        {"limits": {"bytes": f"{number}MB", "duration": f"{number}d"}},
        {"selector": "(" * (number % 500 + 1), "snapLength": -number},
        {"filters": [{"ports": [number % 65_535 + 1] * 200}]},
    ]
    return sorts[number % len(sorts)]


def addresses(count: int) -> list[str]:
    """Return so many networks."""
    return [f"10.{i % 256}.{i // 256}.0/24" for i in range(count)]


# Filters that are legal in number and length; some are too much for libpcap or the kernel.
LARGEST: Final[dict[str, Any]] = {
    "rules": [{"protocol": i % 255 + 1, "dstNets": [net]} for i, net in enumerate(addresses(128))],
    "ports": [{"ports": [f"{2 * i + 1}:{2 * i + 2}" for i in range(128)]}],
    "ports and networks": [
        {"ports": [*range(1, 129)], "srcNets": addresses(64), "dstNets": addresses(64)}
    ],
    "all of it": [
        {
            "ports": [f"{i + 1}:{i + 500}"],
            "srcNets": [net],
            "direction": "In",
            "tcpFlags": ["SYN+!ACK"],
            "expression": f"greater {i} and tcp[{i % 60}:4] = {i} or ip6 net fd00:{i:x}::/32",
        }
        for i, net in enumerate(addresses(128))
    ],
    "an expression": [
        {"expression": " or ".join(f"tcp portrange {i}-{i + 9}" for i in range(1, 600))}
    ],
    "the worst for libpcap": [
        {
            "expression": " or ".join(
                f"portrange {i}-{i + 1} or ip6 net fd00:{i:x}::/33" for i in range(350)
            )
        }
    ],
    "the worst for libpcap, in many rules": [
        {"expression": " or ".join(f"portrange {i}-{i + j}" for i in range(1, 7))}
        for j in range(128)
    ],
    "a deep expression": [{"expression": "not (" * 2_000 + "tcp" + ")" * 2_000}],
}

# Specs of half a megabyte or so.
HUGE: Final[dict[str, Any]] = {
    "a selector": {"selector": " && ".join(["has(a)"] * (HALF_A_MEGABYTE // 10))},
    "a selector of a quarter": {"selector": " && ".join(["has(a)"] * 26_000)},
    "rules": {"filters": [{"protocol": "TCP", "ports": [80]}] * 12_000},
    "ports": {"filters": [{"ports": [*range(1, 60_000), *range(1, 30_000)]}]},
    "networks": {"filters": [{"srcNets": ["10.0.0.0/8"] * 30_000}]},
    "an expression": {"filters": [{"expression": "tcp or " * 70_000}]},
    "a name of a port": {"filters": [{"ports": ["x" * HALF_A_MEGABYTE]}]},
    "a size": {"limits": {"bytes": "9" * HALF_A_MEGABYTE}},
    "a duration": {"limits": {"duration": "1h" * (HALF_A_MEGABYTE // 2)}},
    "flags": {"filters": [{"tcpFlags": ["SYN+" * (HALF_A_MEGABYTE // 4)]}]},
    "a network": {"filters": [{"srcNets": ["1" * HALF_A_MEGABYTE]}]},
    "fields that nobody knows": {f"x{i}": i for i in range(30_000)},
}
