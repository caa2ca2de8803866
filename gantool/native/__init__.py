"""The compiled half: what is built and how, what of it may be loaded, and loading it."""
