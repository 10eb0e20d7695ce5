"""Load on one server: connections that each send as soon as they are answered; by wrk, or by our own generator."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
from calls import CONNECTIONS, PROCESSES, Call, Unfit
from servers import PLACE, Running

ODD = 0.01
"""The share of other answers that is put up with: requests cut off at the end of a load leave a state half moved."""

# One thread, so that requests for several objects are sent in turn; wrk counts statuses from 400 on.
SCRIPT = """
local requests = {{ {requests} }}
local at = 0
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\\n{{"requests":%d,"seconds":%.6f,"p50":%d,"p99":%d,"refused":%d,"broken":%d}}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one load measured.

    rate: requests per second; p50, p99: milliseconds
    cpu: microseconds of processor time of the server per request, None where it cannot be read
    odd: share of answers with another status than expected
    """

    rate: float
    p50: float
    p99: float
    cpu: float | None
    odd: float


def tool() -> str:
    """What makes the load, in words."""
    if shutil.which("wrk") is not None:
        return f"wrk, 1 thread, {CONNECTIONS} connections"
    return f"our own generator, {PROCESSES} processes, {CONNECTIONS} connections in all (wrk would be better)"


def measure(target: Running, call: Call, seconds: int) -> Sample:
    """Load a server with a call. Raises Unfit if it drops connections or answers otherwise than it should."""
    requests = [each.raw(target.port, target.server.base) for each in call.requests]
    before = machine.cpu(target.pid)
    made = (_wrk if shutil.which("wrk") is not None else _own)(target.port, requests, call.status, seconds)
    after = machine.cpu(target.pid)
    place = f"{target.server.name}, {call.name}"
    if not made["requests"]:
        raise Unfit(f"{place}: no answer in {seconds} s; its output is in .cache/bench")
    if made["broken"]:
        raise Unfit(f"{place}: {made['broken']} connections failed or timed out; its output is in .cache/bench")
    odd = made["unexpected"] / made["requests"]
    if odd > ODD:
        raise Unfit(f"{place}: {odd:.0%} of the answers were not {call.status}")
    used = None if before is None or after is None else (after - before) * 1e6 / made["requests"]
    rate = made["requests"] / made["seconds"]
    return Sample(rate=rate, p50=made["p50"] / 1e3, p99=made["p99"] / 1e3, cpu=used, odd=odd)


def _wrk(port: int, requests: Sequence[bytes], status: int, seconds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=PLACE) as folder:
        script = Path(folder) / "load.lua"
        script.write_text(SCRIPT.format(requests=", ".join(map(_lua, requests))))
        command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s"]
        command += ["--timeout", "5s", "--script", str(script), f"http://127.0.0.1:{port}"]
        done = _output(command, seconds)
    made: dict[str, Any] = json.loads(done.strip().rpartition("\n")[2])
    made["unexpected"] = made["requests"] - made["refused"] if status >= 400 else made["refused"]
    return made


def _own(port: int, requests: Sequence[bytes], status: int, seconds: int) -> dict[str, Any]:
    """Each process takes every n-th request, so that no two speak of one object."""
    jobs = [
        {
            "port": port,
            "seconds": seconds,
            "status": status,
            "connections": CONNECTIONS // PROCESSES,
            "requests": [base64.b64encode(each).decode() for each in requests[part::PROCESSES] or requests],
        }
        for part in range(PROCESSES)
    ]
    command = [sys.executable, str(Path(__file__).with_name("generator.py"))]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) for _ in jobs
    ]
    try:
        for process, job in zip(processes, jobs, strict=True):
            assert process.stdin is not None
            process.stdin.write(json.dumps(job).encode())
            process.stdin.close()
            process.stdin = None
        parts = [json.loads(process.communicate(timeout=seconds + 20)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    times = sorted(time for part in parts for time in part["times"])
    made: dict[str, Any] = {"requests": len(times), "seconds": max(part["seconds"] for part in parts)}
    for name in ("broken", "unexpected"):
        made[name] = sum(part[name] for part in parts)
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        made[name] = times[int(len(times) * share)] if times else 0
    return made


def _output(command: Sequence[str], seconds: int) -> str:
    """What a program prints; it is killed, by its own id, when it takes too long or we are interrupted."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        out, complaint = process.communicate(timeout=seconds + 20)
    except subprocess.TimeoutExpired:
        raise Unfit(f"{command[0]} did not end") from None
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        raise Unfit(f"{command[0]}: {complaint.decode(errors='replace').strip()[-200:]}")
    return out.decode(errors="replace")


def _lua(content: bytes) -> str:
    """A Lua string literal of any bytes."""
    plain = set(range(32, 127)) - set(b'"\\')
    return '"' + "".join(chr(each) if each in plain else f"\\{each:03d}" for each in content) + '"'
