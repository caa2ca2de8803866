"""Collapse, memorisation and missing modes, told apart. Begin with score.py."""
