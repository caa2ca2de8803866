"""Builds the compiled kernels where a compiler is found; everything else is in pyproject.toml."""

import shutil
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from gantool.native.plan import build_command, plan  # noqa: E402


class BuildPy(build_py):
    """Puts the C++ sources into the wheel, so that `gantool build` can compile them later."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "gantool" / "csrc"
            shutil.copytree(ROOT / "csrc", target, dirs_exist_ok=True)


class NativeDistribution(Distribution):
    """Runs build_ext even where there is nothing to compile, so that the reason is written down."""

    def has_ext_modules(self) -> bool:
        return True


extensions, skipped = plan()
setup(
    ext_modules=extensions,
    cmdclass={"build_ext": build_command(skipped), "build_py": BuildPy},
    distclass=NativeDistribution,
)
