"""A busy machine is no failure: properties here have no deadline of their own."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
