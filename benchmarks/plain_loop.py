"""Trains the paper's MNIST pair with the plain loop and writes 10,000 samples, to see what scores it gives.

python benchmarks/plain_loop.py --epochs 20 --out samples.npy
gantool eval parzen --samples samples.npy --dataset mnist
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gantool.bench.plain_loop import ORDERS, PlainLoop
from gantool.config.sources import build_config, preset_text, read_tree
from gantool.data import load_dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--order", choices=ORDERS, default="simultaneous")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="where to write 10,000 samples (.npy)")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    config = build_config(read_tree(preset_text("mnist"), "mnist"))
    config = replace(config, training=replace(config.training, order=options.order))
    pixels = load_dataset(config.data).train.stored
    loop = PlainLoop(config, pixels.float().mean(0) / 255)
    batch = config.training.batch_size
    started, per_epoch = time.perf_counter(), len(pixels) // batch
    for epoch in range(1, options.epochs + 1):
        order = torch.randperm(len(pixels))
        for i in range(per_epoch):
            real = pixels[order[i * batch : (i + 1) * batch]].float() / 255
            loop.step(real, (epoch - 1) * per_epoch + i, epoch)
        print(f"epoch {epoch}: {time.perf_counter() - started:.0f} s", flush=True)
    with torch.no_grad():
        np.save(options.out, loop.generator(loop.noise(10_000)).numpy())


if __name__ == "__main__":
    main()
