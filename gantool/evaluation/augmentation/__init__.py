"""Whether generated rows are worth training a classifier on. Begin with score.py."""
