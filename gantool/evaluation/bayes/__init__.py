"""Prediction by Bayes' rule with class-conditional Parzen windows. Begin with score.py."""
