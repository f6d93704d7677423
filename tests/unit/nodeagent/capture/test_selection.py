from dataclasses import replace
from itertools import pairwise

from apiserver.resource.filters import CAPTURE_ALL
from apiserver.resource.spec.codec import decode_capture
from nodeagent.capture.selection import Selections
from nodeagent.discovery.endpoints import Endpoint, EndpointPort

TCP = 6


class Labels(dict[str, str]):
    """Labels that count how often a selector asks for one."""

    asked = 0

    def get(self, key, default=None):
        self.asked += 1
        return super().get(key, default)


def capture(uid="u1", **spec):
    metadata = {"namespace": "shop", "name": "http", "uid": uid, "generation": 1}
    return decode_capture({"metadata": metadata, "spec": spec})


def endpoint(pod="web", *, port=0, **labels):
    ports = (EndpointPort("main", TCP, port),) if port else ()
    return Endpoint("shop", pod, f"uid-{pod}", f"cali-{pod}", labels=Labels(labels), ports=ports)


def asked(*endpoints: Endpoint) -> list[int]:
    return [each.labels.asked for each in endpoints if isinstance(each.labels, Labels)]


def test_a_selector_is_not_asked_again_while_nothing_changes():
    web, db = endpoint("web", app="web"), endpoint("db", app="db")
    wanted, selections = capture(selector="app == 'web'"), Selections((web, db))

    found = [selections.of(wanted) for _ in range(3)]

    assert found == [{web: CAPTURE_ALL}] * 3
    assert asked(web, db) == [1, 1]


def test_of_new_endpoints_only_the_new_ones_are_asked_about():
    web, db, new = endpoint("web", app="web"), endpoint("db", app="db"), endpoint("new", app="web")
    wanted, selections = capture(selector="app == 'web'"), Selections((web, db))
    selections.of(wanted)

    selections.endpoints = (db, new, web)
    found = selections.of(wanted)

    assert found == {new: CAPTURE_ALL, web: CAPTURE_ALL}
    assert asked(web, db, new) == [1, 1, 1]


def test_an_endpoint_with_other_labels_is_asked_about_anew():
    web = endpoint("web", app="web")
    wanted, selections = capture(selector="app == 'web'"), Selections((web,))
    selections.of(wanted)

    selections.endpoints = (replace(web, labels={"app": "db"}),)

    assert selections.of(wanted) == {}


def test_a_changed_capture_is_looked_at_anew():
    web, db = endpoint("web", app="web"), endpoint("db", app="db")
    selections = Selections((web, db))
    selections.of(capture(selector="app == 'web'"))

    assert selections.of(capture(selector="app == 'db'")).keys() == {db}


def test_captures_that_are_gone_are_forgotten():
    web = endpoint("web", app="web")
    wanted, selections = capture(selector="has(app)"), Selections((web,))
    selections.of(wanted)

    selections.keep([])
    selections.of(wanted)

    assert asked(web) == [2]


def test_each_endpoint_has_the_filter_of_its_own_ports():
    one, other, without = endpoint("one", port=80), endpoint("other", port=81), endpoint("third")
    wanted = capture(filters=[{"protocol": "TCP", "ports": ["main"]}])

    found = Selections((one, other, without)).of(wanted)

    assert [str(each) for each in found.values()] == ["tcp port 80", "tcp port 81", "None"]


def test_a_long_selector_is_asked_in_slices():
    endpoints = [endpoint(f"web-{i}", app="web") for i in range(20)]
    long = " || ".join(f"app == 'other-{i}'" for i in range(12_000))
    selections = Selections(endpoints)

    finding = selections.finding([capture(selector=f"{long} || app == 'web'")])
    looked_at = [sum(1 for count in asked(*endpoints) if count) for _ in finding]

    assert looked_at[-1] == 20
    assert max(after - before for before, after in pairwise([0, *looked_at])) <= 5


def test_what_was_found_in_slices_is_known():
    web, db = endpoint("web", app="web"), endpoint("db", app="db")
    wanted, selections = capture(selector="app == 'web'"), Selections((web, db))

    first, again = [[*selections.finding([wanted])] for _ in range(2)]

    assert (len(first), len(again)) == (1, 0)
    assert selections.of(wanted) == {web: CAPTURE_ALL}
    assert asked(web, db) == [1, 1]


def test_endpoints_that_change_in_a_pause_are_looked_at_as_they_are_then():
    web, db = endpoint("web", app="web"), endpoint("db", app="db")
    wanted, selections = capture(selector="has(app)"), Selections((web,))

    finding = selections.finding([wanted])
    next(finding)
    selections.endpoints = (web, db)

    assert selections.of(wanted).keys() == {web, db}
