"""What a capture would do, in sentences for its author: whom it selects, and what it keeps. Pure.

kubectl prints each behind `Warning: `. They are of one line, in an order that depends on nothing but
what they are about, and together well below 4 KiB: of more, clients get the beginnings only.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from apiserver.fields import quoted
from apiserver.resource.filters import CAPTURE_ALL, NamedPorts, PacketFilter
from apiserver.resource.surroundings import SelectedPod

UNKNOWN_PODS: Final = "which pods it selects is not known here now"
NO_PODS: Final = "selects no pods now: those that match later are captured as they come"

_NOT_SCHEDULED: Final = "without a node"
_HOST_NETWORK: Final = "does not capture pods with hostNetwork, whose traffic is their node's"

_SELECTED_CHARACTERS: Final = 1200
_HINDERED_CHARACTERS: Final = 600
_HOST_CHARACTERS: Final = 400
_FILTER_CHARACTERS: Final = 800
_NAMES_TOGETHER: Final = 20

_UNPRINTABLE: Final = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff]+")
_PORT: Final = re.compile(r"\bport (\d+)", re.ASCII)


def pods_by_name(
    selected: Sequence[SelectedPod], host_network: Sequence[SelectedPod]
) -> Iterator[str]:
    """Give sentences that name the pods, as far as there is room."""
    if selected:
        listed = _listed(selected, _node, _SELECTED_CHARACTERS)
        yield f"selects {_many(len(selected), 'pod')}: {listed}"
    else:
        yield NO_PODS
    hindered = [pod for pod in selected if pod.problem]
    if hindered:
        listed = _listed(hindered, lambda pod: pod.problem, _HINDERED_CHARACTERS)
        yield f"cannot be captured now: {listed}"
    if host_network:
        yield f"{_HOST_NETWORK}: {_listed(host_network, _node, _HOST_CHARACTERS)}"


def pods_by_number(
    selected: Sequence[SelectedPod], host_network: Sequence[SelectedPod]
) -> Iterator[str]:
    """Give sentences for who must not know the names of pods and nodes."""
    if selected:
        nodes = {pod.node for pod in selected if pod.node}
        yield f"selects {_many(len(selected), 'pod')} on {_many(len(nodes), 'node')}"
    else:
        yield NO_PODS
    hindered = sum(1 for pod in selected if pod.problem)
    if hindered:
        yield f"cannot be captured now: {_many(hindered, 'pod')}"
    if host_network:
        yield f"{_HOST_NETWORK}: {_many(len(host_network), 'pod')}"


def filter_sentence(
    chosen: PacketFilter, named_ports: NamedPorts, instructions: int | None
) -> str:
    """Return what the filter is; `named_ports` are the `stand_ins` that it was made with.

    `instructions` is how long its program is, None where that is not known.
    """
    if chosen == CAPTURE_ALL:
        return "filter: none, all packets are captured"
    text = _cut(_with_names(_one_line(str(chosen)), named_ports), _FILTER_CHARACTERS)
    size = f" ({_many(instructions, 'instruction')})" if instructions is not None else ""
    return f"filter: {text}{size}{_about_names(named_ports)}"


def _with_names(text: str, named_ports: NamedPorts) -> str:
    names = {str(number): name for (name, _), (number, *_) in named_ports.items()}
    return _PORT.sub(lambda found: f"port {names.get(found[1], found[1])}", text)


def _about_names(named_ports: NamedPorts) -> str:
    names = sorted({quoted(name) for name, _ in named_ports})
    if not names:
        return ""
    return (
        f"; port {_cut(', '.join(names), _HOST_CHARACTERS)} is what each pod's containers call so"
    )


def _listed(pods: Sequence[SelectedPod], label: Callable[[SelectedPod], str], room: int) -> str:
    """Return pods under their labels, as far as there is room, and how many more there are."""
    groups: dict[str, list[str]] = {}
    for pod in sorted(pods, key=lambda pod: (label(pod), pod.name)):
        groups.setdefault(_one_line(label(pod)), []).append(pod.name)
    # What has no label comes last: it is the exception.
    unlabelled = groups.pop("", None)
    if unlabelled:
        groups[_NOT_SCHEDULED] = unlabelled
    parts: list[str] = []
    left = len(pods)
    for name, members in groups.items():
        if room <= 0:
            break
        shown = _fitting(members, room)
        more = f" and {len(members) - len(shown)} more" if len(shown) < len(members) else ""
        parts.append(f"{name}: {', '.join(shown)}{more}")
        room -= len(parts[-1]) + len("; ")
        left -= len(members)
    return "; ".join([*parts, *([f"and {_many(left, 'more pod')}"] if left else [])])


def _fitting(names: Sequence[str], room: int) -> list[str]:
    """Return the first names: one at least, and as many as fit."""
    shown: list[str] = []
    for name in names[:_NAMES_TOGETHER]:
        room -= len(name) + 2
        if shown and room < 0:
            break
        shown.append(name)
    return shown


def _node(pod: SelectedPod) -> str:
    return pod.node


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _one_line(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
