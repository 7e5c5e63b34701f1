"""The REST interface: routes over the newest snapshot, and the gate that every request passes."""
