from apiserver.cluster.buckets import BURST, MAX_OBJECTS, REFILL_SECONDS, Buckets


def test_after_a_burst_there_is_one_in_five_minutes():
    buckets = Buckets()

    assert [buckets.take("a", 0) for _ in range(BURST + 1)] == [True] * BURST + [False]
    assert not buckets.take("a", REFILL_SECONDS - 1)
    assert buckets.take("a", REFILL_SECONDS)
    assert not buckets.take("a", REFILL_SECONDS)


def test_objects_do_not_share_a_bucket():
    buckets = Buckets()
    for _ in range(BURST + 1):
        buckets.take("a", 0)

    assert buckets.take("b", 0)


def test_a_bucket_holds_no_more_than_a_burst():
    buckets = Buckets()
    buckets.take("a", 0)

    assert sum(buckets.take("a", 1e9) for _ in range(2 * BURST)) == BURST


def test_of_very_many_objects_the_oldest_are_forgotten():
    buckets = Buckets()
    for _ in range(BURST + 1):
        buckets.take("old", 0)
    for i in range(MAX_OBJECTS):
        buckets.take(str(i), 0)

    assert buckets.take("old", 0)
