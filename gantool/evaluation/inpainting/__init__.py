"""How well what is missing of a row is filled in. Begin with score.py."""
