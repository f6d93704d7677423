"""The node agent: captures the packets of this node's selected pods."""
