from apiserver.pcap.compile import answer


def test_a_filter_is_answered_by_its_instructions():
    assert answer("") == {"instructions": 1}


def test_a_filter_that_is_refused_is_answered_by_libpcap_s_message():
    assert answer("port eighty") == {"error": "unknown port 'eighty'"}
