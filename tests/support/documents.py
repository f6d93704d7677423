"""JSON documents in tests."""

import orjson


def as_sent(document):
    """Return a document as a client reads it, freely indexable: what cannot be sent fails here."""
    return orjson.loads(orjson.dumps(document))
