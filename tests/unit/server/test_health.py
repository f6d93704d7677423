"""What probes are told."""

from tests.support.door import World


async def test_one_check_is_told_by_its_name_and_its_reason_to_the_known():
    world = World()
    async with world.serve() as client:
        good = await client.ask("/readyz/storage", user="")
        world.problem = "the disk is full"
        bad = await client.ask("/readyz/storage", user="")
        why = await client.ask("/readyz/storage")
        excluded = await client.ask("/readyz?exclude=storage&exclude=x&verbose=false")
        missing = [await client.ask(path) for path in ("/readyz/", "/livez/x", "/readyz/a/b")]
        to_nobody = await client.ask("/readyz/x", user="")

    assert (good.status, good.text_read) == (200, "ok")
    assert (bad.status, bad.text_read) == (500, "internal server error: reason withheld\n")
    assert why.text_read == "internal server error: the disk is full\n"
    assert (excluded.status, excluded.text_read) == (
        200,
        (
            "[+]storage excluded: ok\n"
            'warn: some health checks cannot be excluded: no matches for "x"\n'
            "readyz check passed\n"
        ),
    )
    assert [each.status for each in missing] == [404, 404, 404]
    assert to_nobody.status == 401
    assert bad.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert bad.headers["X-Content-Type-Options"] == "nosniff"
