"""What the API server and a node agent say to each other. Pure.

Unknown fields are ignored in both directions, so that the two may be updated one after the other.
"""
