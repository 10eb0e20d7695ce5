"""A load generator for machines without wrk: raw sockets in several processes, each sending as soon as it is answered.

    python generator.py < JOB > MEASURED

It uses more processor time than wrk and so leaves less to the server: ratios hold, absolute figures are lower.
"""

from __future__ import annotations

import base64
import json
import re
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
GRACE = 5.0


@dataclass(slots=True)
class Connection:
    """A keep-alive connection with at most one request under way."""

    socket: socket.socket
    sent: float = 0.0
    got: bytearray = field(default_factory=bytearray)


def answered(got: bytearray) -> int | None:
    """The status of a whole answer, or None while something of it is missing."""
    head = got.find(b"\r\n\r\n")
    if head < 0:
        return None
    length = LENGTH.search(got, 0, head)
    if len(got) < head + 4 + (int(length[1]) if length is not None else 0):
        return None
    return int(got[9:12])


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Send the requests of a job in turn for its seconds; times in microseconds."""
    requests = cycle([base64.b64decode(each) for each in job["requests"]])
    selector = selectors.DefaultSelector()
    times: list[int] = []
    broken = unexpected = 0

    def connect() -> None:
        made = socket.create_connection(("127.0.0.1", job["port"]), timeout=GRACE)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(made)
        selector.register(made, selectors.EVENT_READ, connection)
        send(connection)

    def send(connection: Connection) -> None:
        connection.sent = time.perf_counter()
        connection.socket.sendall(next(requests))

    began = time.perf_counter()
    end = began + job["seconds"]
    for _ in range(job["connections"]):
        connect()
    while (now := time.perf_counter()) < end:
        for key, _ in selector.select(timeout=end - now):
            connection: Connection = key.data
            data = connection.socket.recv(262_144)
            if not data:
                broken += 1
                selector.unregister(connection.socket)
                connection.socket.close()
                connect()
                continue
            connection.got += data
            status = answered(connection.got)
            if status is not None:
                times.append(int((time.perf_counter() - connection.sent) * 1e6))
                unexpected += status != job["status"]
                connection.got.clear()
                send(connection)
    seconds = time.perf_counter() - began
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    return {"times": times, "seconds": seconds, "broken": broken, "unexpected": unexpected}


if __name__ == "__main__":
    print(json.dumps(run(json.load(sys.stdin))))
