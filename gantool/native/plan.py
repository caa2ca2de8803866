"""What is compiled and how: read by setup.py at install, and run by `gantool build` afterwards.

Three extensions come of csrc/: `_ops` (operator schemas and CPU kernels), `_ops_cuda` (CUDA kernels) and
`_host` (each CPU variant by name, for tests and `gantool doctor`, and models of hardware that is not here). The folders
of csrc/ are found by themselves. None of the three is required: what cannot be built is left out, and the reason is
written beside the package for `gantool doctor` to show.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from gantool.native.libraries import (
    DISABLE,
    LIBRARIES,
    PACKAGE,
    BuildRecord,
    FileFacts,
    flag,
    put_in_place,
    read_record,
    trial,
    write_record,
)

REQUIRE: Final = "GANTOOL_REQUIRE_NATIVE"
CUDA_ARCHITECTURES: Final = "8.0;9.0+PTX"

_CORE_ARGS: Final = ["-O3", "-g0", "-fvisibility=hidden"]
# The oldest torch whose stable ABI the libraries may rely on: 2.11. Newer headers then offer no more.
_OPERATOR_ARGS: Final = [*_CORE_ARGS, "-DTORCH_TARGET_VERSION=0x020b000000000000"]


def source_folder() -> Path | None:
    """csrc/ relative to the folder that holds the package: of a checkout, or of an installed wheel."""
    for folder in (Path("csrc"), Path(PACKAGE.name) / "csrc"):
        if (PACKAGE.parent / folder).is_dir():
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
    if not (nvcc.parents[1] / "include" / "cuda_runtime_api.h").is_file():
        return f"CUDA's headers are not in {nvcc.parents[1] / 'include'}: set CUDA_HOME to where they are"
    return ""


def _sources(folder: Path, *patterns: str) -> list[str]:
    root = PACKAGE.parent
    return sorted(str(path.relative_to(root)) for p in patterns for path in (root / folder).glob(p))


def plan() -> tuple[list[Any], dict[str, str]]:
    """The extensions to compile here, and the reason for each that is left out."""
    if flag(DISABLE):
        return [], dict.fromkeys(LIBRARIES, f"{DISABLE} was set at the build")
    folder = source_folder()
    if folder is None:
        return [], dict.fromkeys(LIBRARIES, "the C++ sources are not here")
    try:
        torch: Any = importlib.import_module("torch")
        tools: Any = importlib.import_module("torch.utils.cpp_extension")
    except ImportError as error:
        reason = f"torch could not be imported at the build ({error}); install with --no-build-isolation"
        return [], dict.fromkeys(LIBRARIES, reason)
    common: dict[str, Any] = {
        "include_dirs": [str(PACKAGE.parent / folder)],
        "depends": _sources(folder, "**/*.h", "**/*.cuh"),
        "optional": True,
    }
    extensions = _cpu_extensions(tools, folder, common)
    if reason := missing_nvcc(torch.version.cuda, tools.CUDA_HOME):
        return extensions, {"_ops_cuda": reason}
    return [*extensions, _cuda_extension(tools, folder, common)], {}


def _cpu_extensions(tools: Any, folder: Path, common: dict[str, Any]) -> list[Any]:
    cores = _sources(folder, "*/cpu/*.cpp", "simd/*.cpp")
    # The operators' library holds no Python at all, so that one file serves every Python version.
    library = tools.CppExtension(
        "gantool._ops",
        [*cores, *_sources(folder, "*/torch_cpu.cpp")],
        extra_compile_args=_OPERATOR_ARGS,
        py_limited_api=True,
        **common,
    )
    # The module for tests knows no torch; torch only lends it the pybind11 that it ships.
    headers = [*common["include_dirs"], *tools.include_paths()]
    host = importlib.import_module("setuptools").Extension(
        "gantool._host",
        [*cores, *_sources(folder, "model/*.cpp")],
        extra_compile_args=_CORE_ARGS,
        language="c++",
        **{**common, "include_dirs": headers},
    )
    return [library, host]


def _cuda_extension(tools: Any, folder: Path, common: dict[str, Any]) -> Any:
    os.environ.setdefault("TORCH_CUDA_ARCH_LIST", CUDA_ARCHITECTURES)
    flags = {
        "cxx": [*_OPERATOR_ARGS, "-DUSE_CUDA"],
        "nvcc": ["-O3", "-Xcompiler=-fvisibility=hidden"],
    }
    sources = _sources(folder, "*/cuda/*.cu", "*/torch_cuda.cpp")
    return tools.CUDAExtension("gantool._ops_cuda", sources, extra_compile_args=flags, py_limited_api=True, **common)


def build_command(skipped: dict[str, str]) -> Any:
    """A build_ext that survives failures, writes down each reason, and is fatal under GANTOOL_REQUIRE_NATIVE."""
    try:
        base: Any = importlib.import_module("torch.utils.cpp_extension").BuildExtension
    except ImportError:
        base = importlib.import_module("setuptools.command.build_ext").build_ext

    class BuildNative(base):  # type: ignore[misc]
        def run(self) -> None:
            self.reasons = dict(skipped)
            if flag(REQUIRE) and "_ops" in skipped:
                raise RuntimeError(f"{REQUIRE} is set, and no kernel can be built: {skipped['_ops']}")
            # Asked first: setuptools clears `inplace` while it builds.
            folder = PACKAGE if self.inplace else Path(self.build_lib) / PACKAGE.name
            try:
                super().run()
            except Exception as error:
                # No compiler, or one that torch refuses: known before any file is compiled.
                for extension in self.extensions:
                    self._compilation_failed(extension, error)
            folder.mkdir(parents=True, exist_ok=True)
            self._record(folder, [file for extension in self.extensions for file in self._place(extension, folder)])

        def build_extension(self, extension: Any) -> None:
            try:
                super().build_extension(extension)
            except Exception as error:
                self._compilation_failed(extension, error)

        def copy_extensions_to_source(self) -> None:
            """Nothing: setuptools would write over the old library's bytes; `_place` renames a tried one."""

        def _compilation_failed(self, extension: Any, error: Exception) -> None:
            first_line = (str(error) or type(error).__name__).splitlines()[0]
            reason = f"compilation failed ({first_line}); `gantool build --verbose` shows all"
            self._leave_out(_library(extension), reason, error)

        def _leave_out(self, library: str, reason: str, error: Exception | None = None) -> None:
            if flag(REQUIRE):
                raise error or RuntimeError(f"{REQUIRE} is set, and {library} cannot be built: {reason}")
            self.reasons[library] = reason

        def _place(self, extension: Any, folder: Path) -> list[Path]:
            """Puts what was built into `folder` once it has been tried: its file, or nothing, with the reason."""
            library = _library(extension)
            if library in self.reasons:
                return []
            built = Path(self.build_lib) / self.get_ext_filename(self.get_ext_fullname(extension.name))
            target = folder / built.name
            if built.resolve() != target.resolve():
                reason = put_in_place(library, built, target)
            elif reason := trial(library, built):
                built.unlink()
            if reason:
                self._leave_out(library, f"{reason}; `gantool build` builds it again")
            return [] if reason else [target]

        def _record(self, folder: Path, files: list[Path]) -> None:
            # What could not be built anew stays as it was, and so does its entry.
            built = {name: facts for name, facts in read_record(folder).built.items() if (folder / name).is_file()}
            write_record(folder, BuildRecord(self.reasons, built | {file.name: FileFacts.of(file) for file in files}))
            if "_ops" in self.reasons:
                print(
                    f"warning: gantool is installed without compiled kernels ({self.reasons['_ops']}); "
                    "it works, slower; see `gantool doctor`",
                    file=sys.stderr,
                )

    return BuildNative


def _library(extension: Any) -> str:
    return str(extension.name.rpartition(".")[2])


def main() -> None:
    """Compiles in place, beside the installed package; run as `python -m gantool.native.plan`."""
    setup: Any = importlib.import_module("setuptools").setup
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
