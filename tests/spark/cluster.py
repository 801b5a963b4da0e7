"""A standalone cluster of Spark on this machine: a master and workers, as processes of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

HOST = "127.0.0.1"
PATIENCE_S = 240
CONF = """
spark.driver.host 127.0.0.1
spark.executor.memory 700m
spark.executor.cores 1
spark.cores.max 2
spark.sql.shuffle.partitions 4
spark.ui.enabled false
"""


class Cluster(NamedTuple):
    """The master's address, what the environment must say, and where each worker keeps what it works on."""

    master: str
    env: dict[str, str]
    workers: tuple[Path, ...]


@contextmanager
def cluster(folder: Path, *, workers: int) -> Iterator[Cluster]:
    """Start a master and so many workers of one core each; all are gone afterwards."""
    import pyspark

    home = Path(pyspark.__file__).parent
    conf = folder / "conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text(CONF)
    env = os.environ | {
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_HOSTNAME": "localhost",
        "SPARK_DAEMON_MEMORY": "256m",
    }
    port, page = _free_port(), _free_port()
    master = f"spark://{HOST}:{port}"
    places = tuple(folder / f"worker{n}" for n in range(workers))
    with ExitStack() as stack:
        ports = ("--port", str(port), "--webui-port", str(page))
        stack.enter_context(_running(home, "master.Master", "--host", HOST, *ports, env=env))
        for place in places:
            asked = ("--host", HOST, "--webui-port", "0", "-c", "1", "-m", "800m", "-d", str(place), master)
            stack.enter_context(_running(home, "worker.Worker", *asked, env=env))
        _wait(f"http://{HOST}:{page}/json/", workers=workers)
        yield Cluster(master, env, places)


@contextmanager
def _running(home: Path, name: str, *arguments: str, env: dict[str, str]) -> Iterator[None]:
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}", *arguments]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def _wait(url: str, *, workers: int) -> None:
    """Until the master knows all of its workers."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own master
                if json.load(answer)["aliveworkers"] >= workers:
                    return
        except (OSError, ValueError):
            pass
        time.sleep(0.5)
    raise TimeoutError(f"no {workers} workers after {PATIENCE_S} s")
