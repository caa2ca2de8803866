"""Tensors in, tensors out: densities, neighbours, clusters. Knows no run, no file and no measure."""
