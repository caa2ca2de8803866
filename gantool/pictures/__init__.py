"""Pictures of samples: sheets, strips, films and neighbours. `sheets` draws tensors, `gallery` a run."""
