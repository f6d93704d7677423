"""tshark as the judge of files: what Wireshark shows of them, to their end or an error."""

import subprocess
from pathlib import Path


def read_numbers(path: Path) -> list[int]:
    """Return the numbers of the packets (`tests.support.netns`) of a file, in its order.

    Raises CalledProcessError if it does not read to its end, as with a record that is cut.
    """
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-e", "ip.src"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [_number(line) for line in said.splitlines()]


def count_packets(path: Path) -> int:
    """Return how many packets there are in a file; raises as `read_numbers`."""
    command = ["capinfos", "-T", "-r", "-M", "-c", str(path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(said.split("\t")[1])


def _number(address: str) -> int:
    return int.from_bytes(map(int, address.split(".")[1:]), "big")
