"""How a command shares the processor with other programs: its threads, how they wait, and what others take of it."""

from __future__ import annotations

import os
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from gantool.errors import UsageError

# Rounds that a thread of torch spins at a barrier before it sleeps. By default it spins through its whole share of time
# for a thread that another program keeps from running. The mnist preset, two threads, images/s on an idle machine and
# with one of two cores taken: by default 3,970 and 1,330, so 3,960 and 1,980, with OMP_WAIT_POLICY=PASSIVE 3,110 and
# 1,880.
SPIN_ROUNDS = 1_000
MOST_THREADS = 1_024

# Seconds over which /proc/stat, which counts in hundredths, tells a share of a core from chance.
_LEAST_SECONDS = 0.3
# Below this share of a core others do not keep a thread waiting.
_ONE_CORE = 0.75

# Columns of a processor's line in /proc/stat: user, system, irq, softirq and steal; nice is the one after user.
_BUSY, _NICE = (0, 2, 5, 6, 7), 1


def limit_spinning(environment: MutableMapping[str, str]) -> None:
    """Makes torch's threads sleep soon where they wait, unless the user has said how they wait.

    libgomp, which comes with torch, reads the environment when it is loaded: called before torch is imported.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & environment.keys():
        environment["GOMP_SPINCOUNT"] = str(SPIN_ROUNDS)


def set_threads(count: int | None) -> None:
    """Makes torch compute on so many threads; None leaves torch's own number. UsageError for a number that is none."""
    if count is None:
        return
    if not 1 <= count <= MOST_THREADS:
        raise UsageError(f"--threads must be a whole number from 1 to {MOST_THREADS:,}, but is {count}.")
    import torch

    torch.set_num_threads(count)


def own_cores() -> set[int]:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def busy_seconds(statistics: str, cores: set[int], ticks: int, *, nice: bool = False) -> float:
    """Seconds that `cores` have worked, from the text of /proc/stat in `ticks` a second.

    Programs of low priority (`nice`) are left out: they make way.
    """
    columns = (*_BUSY, _NICE) if nice else _BUSY
    names = {f"cpu{core}" for core in cores}
    lines = [line.split() for line in statistics.splitlines()]
    counts = [[int(value) for value in line[1:]] for line in lines if line and line[0] in names]
    return sum(count[column] for count in counts for column in columns if column < len(count)) / ticks


@dataclass(frozen=True)
class ProcessorWatch:
    """What other programs take of the processor, measured from its making on."""

    began: float = field(default_factory=time.monotonic)
    others_before: float | None = field(default_factory=lambda: _seconds_of_others())

    def cores_taken(self) -> float:
        """Cores that others took since; 0 where the system does not tell. Waits until enough time has passed."""
        if self.others_before is None:
            return 0.0
        time.sleep(max(0.0, _LEAST_SECONDS - (time.monotonic() - self.began)))
        others = _seconds_of_others()
        return 0.0 if others is None else max(0.0, others - self.others_before) / (time.monotonic() - self.began)


def _seconds_of_others() -> float | None:
    """Seconds that other programs have worked on this process's cores since the machine started."""
    try:
        statistics = Path("/proc/stat").read_text(encoding="ascii")
    except OSError:
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    return busy_seconds(statistics, own_cores(), ticks, nice=os.nice(0) > 0) - time.process_time()


def busy_sentence(taken: float, cores: int, threads: int) -> str:
    """What to say before a training on `threads` of `cores`, `taken` of which others use: "" where all have room."""
    free = max(1, int(cores - taken + 0.25))
    if taken < _ONE_CORE or threads <= free:
        return ""
    return (
        f"Other programs take {taken:.1f} of {cores} cores, and {threads} threads wait for one another: "
        f"--threads {free} may be faster."
    )
