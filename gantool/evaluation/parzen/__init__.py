"""The paper's measure: the log-likelihood of held-out rows under a Parzen window on samples. Begin with score.py."""
