"""What is compiled and how: read by setup.py at install, and run by `gantool build` afterwards.

Three extensions come of csrc/: `_ops` (operator schemas and CPU kernels), `_ops_cuda` (CUDA kernels) and
`_host` (each CPU variant by name, for tests and `gantool doctor`). None is required: what cannot be built
is left out, and the reason is written beside the package for `gantool doctor` to show.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

PACKAGE: Final = Path(__file__).resolve().parent
BUILD_RECORD: Final = "_native_build.json"
REQUIRE: Final = "GANTOOL_REQUIRE_NATIVE"
DISABLE: Final = "GANTOOL_DISABLE_NATIVE"
CUDA_ARCHITECTURES: Final = "8.0;9.0+PTX"

# The oldest torch whose stable ABI the libraries may rely on: 2.11. Newer headers then offer no more.
_TARGET_TORCH = "-DTORCH_TARGET_VERSION=0x020b000000000000"
_COMPILE_ARGS = ["-O3", "-fvisibility=hidden", _TARGET_TORCH]


def flag(name: str) -> bool:
    """Whether an environment switch is on: set, and neither empty nor 0."""
    return os.environ.get(name, "") not in ("", "0")


def source_folder() -> Path | None:
    """csrc/ relative to the folder that holds the package: of a checkout, or of an installed wheel."""
    for folder in (Path("csrc"), Path(PACKAGE.name) / "csrc"):
        if (PACKAGE.parent / folder / "library.cpp").is_file():
            return folder
    return None


def missing_nvcc(torch_cuda: str | None, cuda_home: str | None) -> str:
    """Why the CUDA library cannot be built with this torch and toolkit ("" where it can)."""
    if torch_cuda is None:
        return "torch is built without CUDA"
    nvcc = Path(cuda_home) / "bin" / "nvcc" if cuda_home else None
    if nvcc is None or not nvcc.is_file():
        return f"nvcc was not found, and torch wants CUDA {torch_cuda}"
    answer = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"release (\d+)\.(\d+)", answer)
    if found is None:
        return f"{nvcc} does not tell its version"
    if found[1] != torch_cuda.split(".")[0]:
        return f"nvcc is of CUDA {found[1]}.{found[2]} and torch of CUDA {torch_cuda}"
    return ""


def _sources(folder: Path, *patterns: str) -> list[str]:
    root = PACKAGE.parent
    return sorted(str(path.relative_to(root)) for p in patterns for path in (root / folder).glob(p))


def plan() -> tuple[list[Any], dict[str, str]]:
    """The extensions to compile here, and the reason for each that is left out."""
    names = ("_ops", "_ops_cuda", "_host")
    if flag(DISABLE):
        return [], dict.fromkeys(names, f"{DISABLE} was set at the build")
    folder = source_folder()
    if folder is None:
        return [], dict.fromkeys(names, "the C++ sources are not here")
    try:
        import torch
        from torch.utils import cpp_extension
    except ImportError as error:
        reason = f"torch could not be imported at the build ({error}); install with --no-build-isolation"
        return [], dict.fromkeys(names, reason)
    common: dict[str, Any] = {
        "include_dirs": [str(PACKAGE.parent / folder)],
        "depends": _sources(folder, "*.h", "cpu/*.h", "cuda/*.h", "cuda/*.cuh"),
        "optional": True,
    }
    cores = _sources(folder, "cpu/*.cpp")
    extensions = [
        cpp_extension.CppExtension(
            "gantool._ops",
            [*cores, str(folder / "library.cpp")],
            extra_compile_args=_COMPILE_ARGS,
            py_limited_api=True,
            **common,
        ),
        cpp_extension.CppExtension(
            "gantool._host",
            [*cores, str(folder / "host_module.cpp")],
            extra_compile_args=_COMPILE_ARGS,
            **common,
        ),
    ]
    skipped = {}
    if reason := missing_nvcc(torch.version.cuda, cpp_extension.CUDA_HOME):
        skipped["_ops_cuda"] = reason
    else:
        os.environ.setdefault("TORCH_CUDA_ARCH_LIST", CUDA_ARCHITECTURES)
        extensions.append(
            cpp_extension.CUDAExtension(
                "gantool._ops_cuda",
                [*_sources(folder, "cuda/*.cu"), str(folder / "library_cuda.cpp")],
                extra_compile_args={
                    "cxx": [*_COMPILE_ARGS, "-DUSE_CUDA"],
                    "nvcc": ["-O3", "-Xcompiler=-fvisibility=hidden"],
                },
                py_limited_api=True,
                **common,
            )
        )
    return extensions, skipped


def build_command(skipped: dict[str, str]) -> Any:
    """A build_ext that survives failures, writes down each reason, and is fatal under GANTOOL_REQUIRE_NATIVE."""
    try:
        from torch.utils.cpp_extension import BuildExtension as Base
    except ImportError:
        from setuptools.command.build_ext import build_ext as Base  # type: ignore[assignment]  # noqa: N812

    class BuildNative(Base):  # type: ignore[misc, valid-type]
        def run(self) -> None:
            self.reasons = dict(skipped)
            try:
                super().run()
            except Exception as error:
                # No compiler, or one that torch refuses: known before any file is compiled.
                self._fail(self.extensions, error)
            if self.inplace or not self.dry_run:
                self._record()

        def build_extension(self, extension: Any) -> None:
            try:
                super().build_extension(extension)
            except Exception as error:
                self._fail([extension], error)

        def _fail(self, extensions: list[Any], error: Exception) -> None:
            if flag(REQUIRE):
                raise error
            reason = f"compilation failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
            for extension in extensions:
                self.reasons[extension.name.rpartition(".")[2]] = reason

        def _record(self) -> None:
            folder = PACKAGE if self.inplace else Path(self.build_lib) / PACKAGE.name
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.reasons, indent=2, sort_keys=True)
            (folder / BUILD_RECORD).write_text(text + "\n", encoding="utf-8")
            if "_ops" in self.reasons:
                print(
                    f"warning: gantool is installed without compiled kernels ({self.reasons['_ops']}); "
                    "it works, slower; see `gantool doctor`",
                    file=sys.stderr,
                )

    return BuildNative


def main() -> None:
    """Compiles in place, beside the installed package; run as `python -m gantool.extensions`."""
    from setuptools import setup

    os.chdir(PACKAGE.parent)
    extensions, skipped = plan()
    scratch = tempfile.mkdtemp(prefix="gantool-build-")
    try:
        setup(
            name="gantool",
            packages=[PACKAGE.name],
            ext_modules=extensions,
            cmdclass={"build_ext": build_command(skipped)},
            script_args=["build_ext", "--inplace", "--build-temp", scratch, "--build-lib", scratch],
        )
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
