"""What a data set that is downloaded consists of, and whether the files at hand are those."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from gantool.data.formats.payload import open_payload
from gantool.errors import UsageError

_CHUNK = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """One file: its official name, and the size in bytes and the SHA-256 of its content after decompression.

    The content is what is checked: mirrors compress the same bytes in different ways, and some users keep them
    unzipped. Of an `archive` it is the file's own bytes; unpacked, its files may lie in the folder as `unpacked`.
    """

    name: str
    size: int
    sha256: str
    archive: bool = False
    unpacked: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names it may have on disk, the preferred one first."""
        plain = self.name.removesuffix(".gz")
        return (self.name,) if plain == self.name or self.archive else (self.name, plain)

    def find_unpacked(self, folder: Path) -> list[Path]:
        """The archive's own files, whatever they hold, where they lie unpacked in or beside `folder`; else nothing."""
        flat = [Path(name).name for name in self.unpacked]
        for base, names in ((folder, self.unpacked), (folder.parent, self.unpacked), (folder, flat)):
            paths = [base / name for name in names]
            if paths and all(path.is_file() for path in paths):
                return paths
        return []

    def find(self, folder: Path) -> Path | None:
        """Where it is in `folder`, under one of its names; None where it is not."""
        return next((folder / name for name in self.names if (folder / name).is_file()), None)

    def verify(self, path: Path) -> None:
        """Checks the content of `path`; reads at most one byte more than it should hold.

        Raises UsageError naming the file, what was expected and what came.
        """
        digest, left = hashlib.sha256(), self.size + 1
        with path.open("rb") if self.archive else open_payload(path) as stream:
            while left and (chunk := stream.read(min(left, _CHUNK))):
                digest.update(chunk)
                left -= len(chunk)
        if left != 1:
            held = f"{self.size + 1 - left} bytes" if left else "more"
            raise UsageError(f"{path} is not the known file: expected {self.size} bytes of content, not {held}.")
        if digest.hexdigest() != self.sha256:
            raise UsageError(f"{path} is not the known file: expected SHA-256 {self.sha256}, not {digest.hexdigest()}.")


@dataclass(frozen=True)
class RemoteSet:
    """The files of one data set, kept under <data root>/`name`, and the web folders that serve them, in order."""

    name: str
    files: tuple[RemoteFile, ...]
    mirrors: tuple[str, ...]

    def folder(self, root: Path) -> Path:
        return root / self.name

    def missing(self, root: Path) -> list[str]:
        """The official names of the files that are not under the data root `root`."""
        folder = self.folder(root)
        return [file.name for file in self.files if file.find(folder) is None and not file.find_unpacked(folder)]

    def require(self, root: Path) -> list[Path]:
        """Where each file is, in order. Raises UsageError naming the missing ones and the command that fetches them."""
        found = [file.find(self.folder(root)) for file in self.files]
        if missing := self.missing(root):
            raise UsageError(
                f"{self.name} is not complete in {self.folder(root)}: {', '.join(missing)} missing; "
                f"run `gantool data fetch {self.name}`, or name another data root with --data-dir or GANTOOL_DATA_DIR."
            )
        return [path for path in found if path is not None]


MNIST_FILES = RemoteSet(
    name="mnist",
    files=(
        RemoteFile(
            "train-images-idx3-ubyte.gz",
            size=47_040_016,
            sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        RemoteFile(
            "train-labels-idx1-ubyte.gz",
            size=60_008,
            sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        RemoteFile(
            "t10k-images-idx3-ubyte.gz",
            size=7_840_016,
            sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte.gz",
            size=10_008,
            sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
)

_NAMES = tuple(f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))


def _like_mnist(name: str, mirrors: tuple[str, ...], *known: tuple[int, str]) -> RemoteSet:
    """Files of MNIST's names, of which the compressed sizes and checksums are known, in the order of `_NAMES`."""
    files = zip(_NAMES, known, strict=True)
    return RemoteSet(name, tuple(RemoteFile(file, *facts, archive=True) for file, facts in files), mirrors)


FASHION_MNIST_FILES = _like_mnist(
    "fashion-mnist",
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
)
KMNIST_FILES = _like_mnist(
    "kmnist",
    ("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    (18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
    (29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
    (3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
    (5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
)

CIFAR10_BINARIES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
CIFAR10_FILES = RemoteSet(
    name="cifar10",
    files=(
        RemoteFile(
            "cifar-10-binary.tar.gz",
            size=170_052_171,
            sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            archive=True,
            unpacked=tuple(f"cifar-10-batches-bin/{name}" for name in CIFAR10_BINARIES),
        ),
    ),
    mirrors=(
        "https://www.cs.toronto.edu/~kriz/",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    ),
)
