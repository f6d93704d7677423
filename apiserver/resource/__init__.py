"""The PacketCapture resource: what it is, how it is written, when it is right. Pure."""
