"""How good is a generator: the paper's Parzen-window protocol, and what an honest tool says beside it."""
