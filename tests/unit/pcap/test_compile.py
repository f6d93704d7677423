from apiserver.jsontypes import JsonValue
from apiserver.pcap.compile import answer
from apiserver.pcap.expressions import compile_texts, dead_handle, largest_programs
from apiserver.pcap.listing import packed


def test_texts_are_answered_by_their_programs():
    with dead_handle() as handle:
        programs = [compile_texts(handle, ["tcp", "vlan 5"]), compile_texts(handle, ["udp"])]

        largest = largest_programs(handle, ["tcp", "vlan 5"], programs[0])

    sent: list[JsonValue] = [[packed(code) for code in each] for each in programs]
    assert answer([[["tcp", "vlan 5"]], [["udp"]]]) == {
        "programs": sent,
        "largest": [[packed(code) for code in largest], None],
    }


def test_a_text_that_nothing_passes_is_left_out_beside_others():
    assert answer([[["tcp and udp", "udp"]]]) == answer([[["udp"]]])


def test_what_nothing_passes_is_judged_by_the_next_attempt():
    assert answer([[["tcp and udp"], ["udp", "tcp"]]]) == answer([[["udp", "tcp"]]])
    assert answer([[["udp"], ["tcp"]]]) == answer([[["udp"]]])


def test_what_is_refused_is_answered_by_libpcap_s_message_and_where_it_was():
    assert answer([[["tcp"]], [["udp", "port eighty"]]]) == {
        "error": "unknown port 'eighty'",
        "alternative": 1,
    }
    assert answer([[["tcp and udp"]]]) == {
        "error": "expression rejects all packets",
        "alternative": 0,
    }


def test_programs_that_are_too_long_together_are_refused():
    long = " or ".join(f"udp portrange {port}-{port + 3}" for port in range(1, 1000, 20))

    found = answer([[[f"{long} or port {number}"]] for number in range(10)])

    assert "too complex" in str(found["error"])
