"""Named variables of a MATLAB file, read by scipy in a process of its own.

The reader is C code that was not written for files of strangers: it gets a bound on memory and time, is asked for
known variables alone, and what it finds comes back as .npy files, through our own bounded reader.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from gantool.data.formats.npy import Array, read_arrays
from gantool.errors import UsageError

_SECONDS = 300
_CHILD = """
import resource, sys
gigabytes, seconds, path, folder, *names = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_AS, (int(gigabytes) << 30,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (int(seconds),) * 2)
import numpy, scipy.io
found = scipy.io.loadmat(path, variable_names=names, mat_dtype=False)
for name in names:
    if name in found and found[name].dtype.kind in "biuf":
        numpy.save(f"{folder}/{name}.npy", numpy.ascontiguousarray(found[name]), allow_pickle=False)
"""


def read_matlab(path: Path, names: Sequence[str], *, gigabytes: int = 8) -> dict[str, Array]:
    """The variables `names` of `path` as arrays.

    Raises UsageError where the file is missing or is no MATLAB file up to version 7.2, where a variable is missing or
    holds no numbers, and where reading it takes more than `gigabytes` of memory or 300 seconds.
    """
    if not path.is_file():
        raise UsageError(f"{path} does not exist.")
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _CHILD, str(gigabytes), str(_SECONDS), str(path.absolute()), folder, *names]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * _SECONDS)
        except subprocess.TimeoutExpired as error:
            raise UsageError(f"{path} cannot be read as a MATLAB file: it takes more than {_SECONDS} s.") from error
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or [f"the reader ended with code {done.returncode}"])[-1]
            raise UsageError(f"{path} cannot be read as a MATLAB file: {last}.")
        arrays = {}
        for name in names:
            file = Path(folder) / f"{name}.npy"
            if not file.is_file():
                raise UsageError(f"{path} lacks the variable {name}, or it holds no numbers.")
            arrays[name] = read_arrays(file)[""]
        return arrays
