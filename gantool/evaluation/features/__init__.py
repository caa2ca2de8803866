"""Distances between samples and real rows in a space of features. Begin with score.py."""
