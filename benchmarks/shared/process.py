"""Time a command as a whole process: start-up, work and exit, with the peak memory of the process."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One finished process: wall and CPU seconds, peak resident memory in MiB, and its last line of output."""

    seconds: float
    cpu: float
    peak_mib: float
    said: str


def run(command: list[str], env: dict[str, str] | None = None) -> Run:
    """Run a command to its end; exit codes 0 and 1 are results, anything else raises RuntimeError with its output."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(env or {})}
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise RuntimeError(f"{' '.join(command)}: {output[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is bytes there, KiB elsewhere
    peak = usage.ru_maxrss * unit / 2**20
    said = next((line for line in reversed(output.splitlines()) if line.strip()), "")
    return Run(seconds, usage.ru_utime + usage.ru_stime, peak, said)
