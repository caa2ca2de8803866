"""How well codes stand for data and data for codes. Begin with score.py."""
