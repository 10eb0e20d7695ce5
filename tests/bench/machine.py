"""What a process costs, and what else the machine does; read from /proc, and None where there is none."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

PROC = Path("/proc")
# Asked once: with --one-core the benchmark itself gives some of them up.
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def cpu(pid: int) -> float | None:
    """Seconds of processor time that a process has used, all its threads together."""
    fields = _stat(pid)
    return None if fields is None else (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int | None:
    """Bytes of memory that a process holds."""
    try:
        pages = int((PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak(pid: int) -> int | None:
    """Bytes of memory that a process has held at most."""
    try:
        status = (PROC / str(pid) / "status").read_text()
    except OSError:
        return None
    found = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return None if found is None else int(found) * 1024


def busy(seconds: float = 0.5) -> list[tuple[float, str]]:
    """(share of one core, name and pid) of the processes that are at work, but for this one; the busiest first."""
    before = {pid: used for pid in _pids() if (used := cpu(pid)) is not None}
    time.sleep(seconds)
    found = []
    for pid, used in before.items():
        now = cpu(pid)
        if now is not None and pid != os.getpid() and (share := (now - used) / seconds) >= 0.05:
            found.append((share, f"{_name(pid)} ({pid})"))
    return sorted(found, reverse=True)


def load() -> str:
    """The load average of the last 1, 5 and 15 minutes, and the cores that share it."""
    averages = " ".join(f"{each:.2f}" for each in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    return f"{averages} on {CORES} cores"


def progress(said: str) -> None:
    """Tell on stderr what is being done, so that nobody waits in the dark."""
    print(f"... {said}", file=sys.stderr, flush=True)


def _pids() -> list[int]:
    return [int(each.name) for each in PROC.glob("[0-9]*")] if PROC.is_dir() else []


def _stat(pid: int) -> list[str] | None:
    """The fields of a process from its state on: the name before may hold spaces."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _name(pid: int) -> str:
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "?"
    said = " ".join(os.path.basename(word.decode(errors="replace")) for word in words[:3])
    return " ".join(said.split())[:40] or "?"
