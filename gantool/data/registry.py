"""Every data set by name: what it is and how it is read. Each is imported when it is read, and torch with it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gantool.config import DataConfig
from gantool.data.remote import CIFAR10_FILES, FASHION_MNIST_FILES, KMNIST_FILES, MNIST_FILES, RemoteSet
from gantool.errors import UsageError
from gantool.files import cache_folder, expanded

if TYPE_CHECKING:
    from gantool.data.dataset import Dataset


@dataclass(frozen=True)
class Entry:
    """A data set: a line about it, its loader (configuration, data root → Dataset), and the files it needs, if any.

    `remedy` says what to do where it cannot be read from a data root yet, and "" where it can; without it, files that
    are missing are fetched.
    """

    about: str
    load: Callable[[DataConfig, Path], Dataset]
    remote: RemoteSet | None = None
    remedy: Callable[[Path], str] = lambda root: ""


def _load_digits(_config: DataConfig, _root: Path) -> Dataset:
    from gantool.data.sets.digits import load_digits

    return load_digits()


def _load_mnist(_config: DataConfig, root: Path) -> Dataset:
    from gantool.data.sets.mnist import load_mnist

    return load_mnist(root)


def _load_fashion_mnist(_config: DataConfig, root: Path) -> Dataset:
    from gantool.data.sets.mnist import load_mnist

    return load_mnist(root, FASHION_MNIST_FILES)


def _load_kmnist(_config: DataConfig, root: Path) -> Dataset:
    from gantool.data.sets.mnist import load_mnist

    return load_mnist(root, KMNIST_FILES)


def _load_toy(config: DataConfig, _root: Path) -> Dataset:
    from gantool.data.sets.toy import load_toy

    return load_toy(config.name)


def _load_array(config: DataConfig, _root: Path) -> Dataset:
    from gantool.data.sets.arrays import load_array

    if config.path is None:
        raise UsageError("data.path must be the path of an array file, or of a folder of images, but is unset.")
    path = expanded(config.path)
    if config.size is not None and path.is_dir():
        from gantool.data.sets.folder import load_folder

        return load_folder(path, config.size, skip_broken=config.broken == "skip")
    dataset = load_array(path, None if isinstance(config.scale, str) else config.scale)
    if config.size is not None and dataset.shape[1:] != (config.size, config.size):
        raise UsageError(f"data.size = {config.size}, but an example of {path} has the shape {list(dataset.shape)}.")
    return dataset


def _load_cifar10(_config: DataConfig, root: Path) -> Dataset:
    from gantool.data.sets.cifar10 import load_cifar10

    return load_cifar10(root)


def _load_tfd(config: DataConfig, root: Path) -> Dataset:
    from gantool.data.sets.tfd import load_tfd

    return load_tfd(root, config.fold)


def _convert_tfd(root: Path) -> str:
    return "" if (root / "tfd" / "tfd-48.npz").is_file() else "gantool data convert tfd TFD_48x48.mat"


DATASETS: dict[str, Entry] = {
    "digits": Entry(
        about="1,797 real handwritten digits of 8×8 pixels, from scikit-learn",
        load=_load_digits,
    ),
    "mnist": Entry(
        about="70,000 handwritten digits of 28×28 pixels, in the paper's splits",
        load=_load_mnist,
        remote=MNIST_FILES,
    ),
    "fashion-mnist": Entry(
        about="70,000 pictures of clothes of 28×28 pixels, in files like MNIST's",
        load=_load_fashion_mnist,
        remote=FASHION_MNIST_FILES,
    ),
    "kmnist": Entry(
        about="70,000 handwritten Japanese characters of 28×28 pixels, in files like MNIST's",
        load=_load_kmnist,
        remote=KMNIST_FILES,
    ),
    "cifar10": Entry(
        about="60,000 colour photographs of 32×32 pixels in ten classes",
        load=_load_cifar10,
        remote=CIFAR10_FILES,
    ),
    "tfd": Entry(
        about="Toronto Face Database, 48×48 grey faces in five folds; not public",
        load=_load_tfd,
        remedy=_convert_tfd,
    ),
    "gaussian1d": Entry(about="one Gaussian on the line, the data of Figure 1, density known", load=_load_toy),
    "mixture1d": Entry(about="three Gaussians on the line, density known", load=_load_toy),
    "ring2d": Entry(about="eight narrow Gaussians on a circle, density known", load=_load_toy),
    "grid2d": Entry(about="twenty-five narrow Gaussians on a grid, density known", load=_load_toy),
    "pacgan-ring": Entry(about="the ring of PacGAN's toys: radius 1, narrower, 100,000 points", load=_load_toy),
    "pacgan-grid": Entry(about="the grid of PacGAN's toys: as grid2d, with 100,000 points", load=_load_toy),
    "array": Entry(
        about="your own .npy, .npz or .safetensors file, or a folder of images, at data.path",
        load=_load_array,
        remedy=lambda root: "--set data.path=FILE",
    ),
}


def data_root(explicit: Path | None = None) -> Path:
    """The folder that holds a subfolder for each downloaded data set.

    `explicit` if given, else $GANTOOL_DATA_DIR, else gantool's folder in the user's cache ($XDG_CACHE_HOME, ~/.cache).
    """
    if explicit is not None:
        return expanded(explicit)
    if named := os.environ.get("GANTOOL_DATA_DIR"):
        return expanded(named)
    return cache_folder()


def find_entry(name: str) -> Entry:
    """The data set called `name`. Raises UsageError that suggests the nearest name, or lists them all."""
    if name in DATASETS:
        return DATASETS[name]
    near = difflib.get_close_matches(name.lower(), DATASETS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(DATASETS)}."
    raise UsageError(f"data.name = {name!r} is not a data set that gantool knows; {hint}")


def load_dataset(config: DataConfig, *, root: Path | None = None, offline: bool = False) -> Dataset:
    """Reads the data set that `config` names; `root` is the data root if not the default one.

    Files that are missing there are downloaded first, with a word on stderr, unless `offline`.
    Raises UsageError: an unknown name, files that are missing (while `offline`), damaged or unsuited. Raises
    GantoolError: the download failed.
    """
    entry = find_entry(config.name)
    folder = data_root(root)
    if entry.remote is not None and entry.remote.missing(folder):
        from gantool.data.fetch import download

        download(entry.remote, folder, offline=offline)
    dataset = _few_rows(entry.load(config, folder), config)
    if config.norm is None and config.scale != "symmetric":
        return dataset
    return replace(dataset, norm=config.norm, symmetric=config.scale == "symmetric")


def _few_rows(dataset: Dataset, config: DataConfig) -> Dataset:
    """The data set with `data.rows` of its training rows: as many of each class, where there are classes."""
    if config.rows is None:
        return dataset
    import torch

    from gantool.data.dataset import Split
    from gantool.data.labels import count_labels, few_labels
    from gantool.seeds import derive_seed

    train = dataset.train
    if config.rows > len(train):
        raise UsageError(f"data.rows must be {len(train):,} or less, the training rows of {dataset.name}.")
    if len(count_labels(train)) > 1:
        chosen = few_labels(dataset, config.rows, config.rows_seed, "data.rows")
    else:
        rng = torch.Generator().manual_seed(derive_seed(config.rows_seed, "few rows"))
        chosen = torch.randperm(len(train), generator=rng)[: config.rows]
    labels = None if train.labels is None else train.labels[chosen]
    return replace(dataset, train=Split(train.stored[chosen].contiguous(), labels))
