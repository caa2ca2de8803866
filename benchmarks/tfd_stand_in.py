"""A file in the format of TFD_48x48.mat whose pictures are CIFAR-10's, in grey at 48 pixels: TFD itself is not public.

    GANTOOL_DATA_DIR=DATA python benchmarks/tfd_stand_in.py OUT.mat
    gantool data convert tfd OUT.mat --data-dir ROOT

20,000 unlabelled pictures, and 5,000 labelled ones that each of five folds deals out as training, validation and test
rows (3,000, 1,000 and 1,000). What it is good for is running both stages to the end; its scores mean nothing beside
published ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from gantool.data.registry import data_root
from gantool.data.sets.cifar10 import load_cifar10

UNLABELLED, LABELLED, SIDE = 20_000, 5_000, 48


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    data = load_cifar10(data_root())
    colours = data.train.stored[: UNLABELLED + LABELLED].numpy().reshape(-1, 3, 32, 32)
    grey = np.rint(colours.mean(axis=1)).astype(np.uint8)
    size, way = (SIDE, SIDE), Image.Resampling.BICUBIC
    images = np.stack([np.asarray(Image.fromarray(image).resize(size, way)) for image in grey])
    rng = np.random.default_rng(2014)
    folds = np.zeros((UNLABELLED + LABELLED, 5), np.uint8)
    for fold in range(5):
        folds[UNLABELLED:, fold] = rng.permutation(np.repeat([1, 2, 3], [3_000, 1_000, 1_000]))
    assert data.train.labels is not None
    labels = np.full(UNLABELLED + LABELLED, -1)
    labels[UNLABELLED:] = data.train.labels[UNLABELLED : UNLABELLED + LABELLED].numpy() % 7 + 1
    found = {"images": images, "folds": folds, "labs_ex": labels[:, None]}
    scipy.io.savemat(Path(sys.argv[1]), found, do_compression=True)


if __name__ == "__main__":
    main()
