"""How many labels a discriminator needs to classify. Begin with score.py."""
