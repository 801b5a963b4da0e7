"""A Spark session by the address of a master or of a Spark Connect server."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from detector.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCAL = "local[*]"
"""This machine alone: for trying out."""
_CONNECT = "sc://"
SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # With it, Spark 4.3 fails on a union of rows that were held ("key not found"): what it knows of their columns it
    # keeps by names they no longer have.
    "spark.sql.constraintPropagation.enabled": "false",
}
"""What results depend on; everything else is the cluster's (spark-defaults.conf, or `spark-submit --conf`)."""


@contextmanager
def spark_session(master: str) -> Iterator[SparkSession]:
    """Open a session, and end it.

    Parameters
    ----------
    master
        `local[*]`, `spark://HOST:7077`, `yarn`, `k8s://…`, or the address of a Spark Connect server, `sc://HOST:15002`.

    Raises
    ------
    ConfigError
        If Spark is not installed, or does not answer at that address.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ConfigError(
            f"--engine spark: PySpark is not installed ({error}); install the `spark` extra: "
            "pip install 'extraction-detector[spark]'"
        ) from error
    # Else executors take the first python3 they find; on a cluster whose paths differ it is set (docs/spark.md).
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("detector")
    builder = builder.remote(master) if master.startswith(_CONNECT) else builder.master(master)
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    with warnings.catch_warnings():
        # Of pandas 3, of which only Arrow's part is used here.
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
        try:
            session = builder.getOrCreate()
        except Exception as error:
            raise ConfigError(
                f"--master {master}: no session of Spark ({error}); is Java there, the address right?"
            ) from error
        try:
            yield session
        finally:
            session.stop()
