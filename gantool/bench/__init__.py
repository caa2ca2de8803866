"""The operators against their rivals, timed in turn: what `gantool bench` measures."""
