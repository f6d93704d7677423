"""Proofs against a kernel in which anything can happen between two questions."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from nodeagent.discovery.endpoints import ProcessId
from nodeagent.discovery.link import NO_NAMESPACE, Link
from nodeagent.discovery.proof import Proofs


@dataclass
class Kernel:
    """The namespaces of processes by their number, and links by index."""

    namespaces: dict[int, int] = field(default_factory=dict)
    links: dict[int, Link] = field(default_factory=dict)
    # Called with the number of the question, before it is answered.
    before: Callable[[int], None] = lambda _number: None
    asked: int = 0

    def namespace_of(self, pid):
        self._ask()
        return self.namespaces.get(pid)

    def link(self, index):
        self._ask()
        return self.links.get(index)

    def _ask(self):
        self.asked += 1
        self.before(self.asked)


@dataclass(eq=False)
class Witness:
    """A process of a pod; `home` is the namespace in which it was found."""

    kernel: Kernel
    process: ProcessId
    network: int
    home: int
    has_ended: bool = False
    is_closed: bool = False

    @property
    def is_at_home(self):
        return not self.has_ended and self.kernel.namespaces.get(self.process.pid) == self.home

    def close(self):
        assert not self.is_closed
        self.is_closed = True


def a_link(index, namespace, kind="veth"):
    return Link(f"link{index}", index, up=True, kind=kind, peer_namespace=namespace)


@pytest.fixture
def kernel():
    """Pod a has process 1 in namespace 7, b process 2 in 8; a link leads into each."""
    links = {5: a_link(5, 7), 6: a_link(6, 8)}
    return Kernel({1: 7, 2: 8}, links)


@pytest.fixture
def proofs(kernel):
    return Proofs(kernel)


@pytest.fixture
def a_witness(kernel):
    def make(pid, *, network=0):
        home = kernel.namespaces.get(pid, NO_NAMESPACE)
        return Witness(kernel, ProcessId(pid, 1), network or pid * 1000, home)

    return make


def settle(proofs, links):
    """One round with these links and no process to look for."""
    proofs.review(("a", "b"), links)
    proofs.settle(links.values())


def proven(proofs, uid):
    proof = proofs.find(uid)
    return set(proof.links) if proof else set()


def test_each_pod_has_the_links_whose_other_end_is_in_its_namespace(proofs, kernel, a_witness):
    assert proofs.offer({"a": a_witness(1), "b": a_witness(2)}) == {}

    settle(proofs, kernel.links)

    assert (proven(proofs, "a"), proven(proofs, "b")) == ({5}, {6})


@pytest.mark.parametrize(
    ("kind", "leads"),
    [("veth", True), ("netkit", True), ("macvlan", False), ("ip6tnl", False), ("", False)],
)
def test_only_pairs_lead_into_pods(proofs, kernel, kind, leads, a_witness):
    kernel.links = {5: a_link(5, 7, kind)}
    proofs.offer({"a": a_witness(1)})

    settle(proofs, kernel.links)

    assert bool(proven(proofs, "a")) is leads


def test_links_without_a_number_are_nobodys(proofs, kernel, a_witness):
    kernel.namespaces[1] = NO_NAMESPACE
    kernel.links = {5: a_link(5, NO_NAMESPACE)}
    proofs.offer({"a": a_witness(1)})

    settle(proofs, kernel.links)

    assert proven(proofs, "a") == set()


def test_a_number_used_again_while_the_old_link_is_still_known_leads_nowhere(
    proofs, kernel, a_witness
):
    """What was told of link 6 is old: its pod is gone, and its number is now that of a."""
    stale = {6: a_link(6, 7)}
    kernel.links = {6: a_link(6, NO_NAMESPACE)}
    proofs.offer({"a": a_witness(1)})

    settle(proofs, stale)

    assert proven(proofs, "a") == set()


@pytest.mark.parametrize("question", [1, 2, 3])
def test_a_process_that_ends_between_any_two_questions_proves_nothing(
    proofs, kernel, question, a_witness
):
    """Its namespace goes with it, and the number may be another pod's at once."""
    witness = a_witness(1)

    def end(number):
        if number == question:
            witness.has_ended = True
            kernel.namespaces.pop(1)

    kernel.before = end
    proofs.offer({"a": witness})

    settle(proofs, kernel.links)

    assert proven(proofs, "a") == set()


@pytest.mark.parametrize("question", [2, 3])
def test_a_pid_used_again_between_two_questions_proves_nothing(
    proofs, kernel, question, a_witness
):
    """The new process is where the link leads: only the old one's end tells."""
    witness = a_witness(1)

    def reuse(number):
        if number == question:
            witness.has_ended = True

    kernel.before = reuse
    proofs.offer({"a": witness})

    settle(proofs, kernel.links)

    assert proven(proofs, "a") == set()


@pytest.mark.parametrize("question", [2, 3])
def test_a_process_that_goes_elsewhere_between_two_questions_proves_nothing(
    proofs, kernel, question, a_witness
):
    def move(number):
        if number == question:
            kernel.namespaces[1] = 8

    kernel.before = move
    proofs.offer({"a": a_witness(1)})

    settle(proofs, {5: a_link(5, 7)})

    assert proven(proofs, "a") == set()


def test_a_process_that_goes_elsewhere_later_takes_no_links_there(proofs, kernel, a_witness):
    proofs.offer({"a": a_witness(1)})
    settle(proofs, {5: kernel.links[5]})

    kernel.namespaces[1] = 8
    settle(proofs, kernel.links)

    assert proven(proofs, "a") == {5}


def test_a_link_that_leads_elsewhere_by_now_is_dropped(proofs, kernel, a_witness):
    proofs.offer({"a": a_witness(1), "b": a_witness(2)})
    settle(proofs, kernel.links)

    kernel.links[5] = a_link(5, 8)
    settle(proofs, kernel.links)

    assert (proven(proofs, "a"), proven(proofs, "b")) == (set(), {5, 6})


def test_a_link_outlives_the_process_but_no_link_is_added_without_one(proofs, kernel, a_witness):
    witness = a_witness(1)
    proofs.offer({"a": witness})
    settle(proofs, {5: kernel.links[5]})

    witness.has_ended = True
    kernel.links[9] = a_link(9, 7)
    settle(proofs, kernel.links)

    assert proven(proofs, "a") == {5}
    assert witness.is_closed


def test_nothing_is_left_when_process_and_links_are_gone(proofs, kernel, a_witness):
    witness = a_witness(1)
    proofs.offer({"a": witness})
    settle(proofs, kernel.links)

    witness.has_ended = True
    settle(proofs, {})

    assert proofs.find("a") is None


def test_another_process_of_the_same_network_carries_on(proofs, kernel, a_witness):
    kernel.namespaces[3] = 7
    first, second = a_witness(1), a_witness(3, network=1000)
    proofs.offer({"a": first})
    settle(proofs, {5: kernel.links[5]})
    first.has_ended = True
    settle(proofs, {5: kernel.links[5]})

    kernel.links[9] = a_link(9, 7)
    settle(proofs, {5: kernel.links[5], 9: kernel.links[9]})
    assert proofs.offer({"a": second}) == {}
    settle(proofs, {5: kernel.links[5], 9: kernel.links[9]})

    assert proven(proofs, "a") == {5, 9}


def test_a_process_elsewhere_does_not_carry_on_while_the_pods_link_is_there(
    proofs, kernel, a_witness
):
    first, astray = a_witness(1), a_witness(3)
    proofs.offer({"a": first})
    settle(proofs, {5: kernel.links[5]})
    first.has_ended = True
    settle(proofs, {5: kernel.links[5]})

    refused = proofs.offer({"a": astray})

    assert "another network namespace" in refused["a"]
    assert astray.is_closed
    assert proven(proofs, "a") == {5}


def test_a_namespace_that_a_pod_has_is_not_given_to_another(proofs, kernel, a_witness):
    proofs.offer({"a": a_witness(1)})
    settle(proofs, kernel.links)
    intruder = a_witness(3, network=1000)

    refused = proofs.offer({"b": intruder})

    assert refused.keys() == {"b"}
    assert intruder.is_closed
    assert proven(proofs, "a") == {5}


def test_of_two_that_claim_one_namespace_at_once_neither_gets_it(proofs, a_witness):
    claims = {"a": a_witness(1), "b": a_witness(2, network=1000)}

    assert proofs.offer(claims).keys() == {"a", "b"}
    assert (proofs.find("a"), proofs.find("b")) == (None, None)


def test_the_proofs_of_pods_that_are_gone_are_let_go(proofs, kernel, a_witness):
    witness = a_witness(1)
    proofs.offer({"a": witness})
    settle(proofs, kernel.links)

    proofs.review(("b",), kernel.links)

    assert proofs.find("a") is None
    assert witness.is_closed


def test_closing_lets_go_of_every_process(proofs, a_witness):
    witnesses = [a_witness(1), a_witness(2)]
    proofs.offer(dict(zip("ab", witnesses, strict=True)))

    proofs.close()

    assert all(each.is_closed for each in witnesses)


def test_a_process_that_goes_to_another_pod_after_it_was_found_gets_none_of_its_links(
    proofs, kernel, a_witness
):
    proofs.offer({"a": a_witness(1), "b": a_witness(2)})
    kernel.links = {6: a_link(6, 8)}
    settle(proofs, kernel.links)

    kernel.namespaces[1] = 8
    kernel.links = {6: a_link(6, 8), 9: a_link(9, 8)}
    settle(proofs, kernel.links)

    assert (proven(proofs, "a"), proven(proofs, "b")) == (set(), {6, 9})


def test_a_process_that_is_elsewhere_gets_nothing_there_and_its_own_links_when_it_is_back(
    proofs, kernel, a_witness
):
    proofs.offer({"a": a_witness(1), "b": a_witness(2)})
    kernel.namespaces[1] = 8

    settle(proofs, kernel.links)
    assert (proven(proofs, "a"), proven(proofs, "b")) == (set(), {6})

    kernel.namespaces[1] = 7
    settle(proofs, kernel.links)
    assert (proven(proofs, "a"), proven(proofs, "b")) == ({5}, {6})


def test_a_namespace_that_has_a_number_only_later_is_asked_about_when_a_link_into_it_comes(
    proofs, kernel, a_witness
):
    links, kernel.links = kernel.links, {}
    kernel.namespaces[1] = NO_NAMESPACE
    witness = a_witness(1)
    proofs.offer({"a": witness})
    settle(proofs, {})

    kernel.links = links
    kernel.namespaces[1] = witness.home = 7
    settle(proofs, kernel.links)

    assert proven(proofs, "a") == {5}


def test_nothing_is_asked_when_nothing_is_new(proofs, kernel, a_witness):
    for pid in range(100, 350):
        kernel.namespaces[pid] = pid
        kernel.links[pid] = a_link(pid, pid)
    nobodys = {9: a_link(9, 7000), 10: a_link(10, 7001)}
    kernel.links |= nobodys
    pods = [f"pod{pid}" for pid in range(100, 350)]
    proofs.offer({f"pod{pid}": a_witness(pid) for pid in range(100, 350)})
    proofs.review(pods, kernel.links)
    proofs.settle(kernel.links.values())
    asked = kernel.asked

    proofs.review(pods, kernel.links)
    proofs.settle(kernel.links.values())
    assert kernel.asked == asked

    kernel.namespaces[1], kernel.links[1] = 1, a_link(1, 1)
    proofs.offer({"new": a_witness(1)})
    proofs.review([*pods, "new"], kernel.links)
    proofs.settle(kernel.links.values())
    assert proven(proofs, "new") == {1}
    assert kernel.asked - asked == 3


def test_it_is_told_when_a_pod_has_nothing_left(proofs, kernel, a_witness):
    witness = a_witness(1)
    proofs.offer({"a": witness})
    settle(proofs, kernel.links)

    witness.has_ended = True
    assert not proofs.review(("a",), kernel.links)
    assert proofs.review(("a",), {})
    assert not proofs.review(("a",), {})
