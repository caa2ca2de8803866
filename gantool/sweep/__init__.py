"""Many runs from one command: a grid of settings over seeds, a run a core, gone on with where it stopped."""
