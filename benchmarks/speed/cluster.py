"""What validating on a cluster costs, fitted at five sizes and extrapolated to a billion segments.

    python -m benchmarks.speed.cluster                                     sizes up to 118,000 images
    python -m benchmarks.speed.cluster 1000 2000 4000 8000 16000           these numbers of images
    python -m benchmarks.speed.cluster ... --core-hour PRICE --gib-month PRICE --million-requests PRICE

Two worker processes on this machine; processor time is measured, not wall time, so other programs disturb little.
Prices are yours: without them the table shows what is to be multiplied.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, LocalCluster

import segdata
from benchmarks.speed.growth import BUILD
from segdata.core.cluster import Cluster
from segdata.measure import partitions

SIZES = (5_000, 10_000, 20_000, 60_000, 118_000)
BILLION = 1_000_000_000
SECONDS_A_TASK = 0.001  # of Dask's scheduler, as its documentation estimates
MONTHS = 1 / 30.4  # a day in the store


@dataclass(frozen=True)
class Cost:
    """What one validation took."""

    segments: int
    worker_seconds: float
    own_seconds: float
    stored_bytes: int
    fetched_bytes: int
    tasks: int
    partitions: int
    own_bytes: int
    worker_bytes: int


def _usage() -> tuple[float, int]:
    """Processor seconds of this process, and its peak memory in bytes."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def made(n_images: int, scratch: Path) -> Path:
    """A canonical dataset of so many images, made by another process, whose memory does not count."""
    data = scratch / f"images-{n_images}"
    names = "from pathlib import Path; from benchmarks.speed.growth import canonical_copies"
    code = f"{names}; canonical_copies({n_images}, Path({str(data)!r}))"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    return data


def measured(n_images: int, scratch: Path, base: int) -> Cost:
    """Validate a canonical dataset of so many images on a fresh cluster; `base`: memory of this process before."""
    data = made(n_images, scratch)
    kept: list[tuple[Cluster, partitions.ClusterMeasurement]] = []
    measure = partitions.measure_on_cluster

    def remembered(cluster: Cluster, *arguments: Any, **options: Any) -> partitions.ClusterMeasurement:
        kept.append((cluster, measure(cluster, *arguments, **options)))
        return kept[-1][1]

    partitions.measure_on_cluster = remembered
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    try:
        with LocalCluster(silence_logs=50, **options) as local, Client(local, set_as_default=False) as client:
            segdata.validate(BUILD / "block-1000", client=client)  # imports
            before, own = client.run(_usage), time.process_time()
            result = segdata.validate(data, client=client)
            own = time.process_time() - own
            after = client.run(_usage)
    finally:
        partitions.measure_on_cluster = measure
    cluster, measurement = kept[-1]
    return Cost(
        result.n_segments,
        sum(after[worker][0] - before[worker][0] for worker in after),
        own,
        sum(path.stat().st_size for path in data.rglob("*") if path.is_file()),
        measurement.remote.fetched,
        cluster.n_tasks,
        len(measurement.remote.pieces),
        _usage()[1] - base,
        max(memory for _, memory in after.values()),
    )


def fitted(costs: list[Cost], name: str) -> tuple[float, float, float]:
    """Fixed part, part for each segment, and the largest relative error of a straight line through the costs."""
    x = np.array([cost.segments for cost in costs], float)
    y = np.array([getattr(cost, name) for cost in costs], float)
    weight = 1 / np.maximum(y, y.max() / 100)  # relative errors count, but not those of what is hardly anything
    slope, fixed = np.polyfit(x / 1e6, y, 1, w=weight)
    error = float(np.abs((fixed + slope * x / 1e6 - y) * weight).max())
    slope /= 1e6
    return float(fixed), float(slope), error


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", type=int, nargs="*")
    parser.add_argument("--core-hour", type=float, help="price of one core for an hour")
    parser.add_argument("--gib-month", type=float, help="price of a GiB in the store for a month")
    parser.add_argument("--million-requests", type=float, help="price of a million reads from the store")
    asked = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    print(f"Load at the start: {os.getloadavg()[0]:.1f}.\n")
    with tempfile.TemporaryDirectory() as name:
        costs = []
        made(1_000, Path(name))
        segdata.validate(BUILD / "block-1000", select="SEG106")  # imports
        base = _usage()[1]
        print("| segments | worker CPU s | own CPU s | stored MB | fetched MB | tasks | own MiB more | worker MiB |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        for size in sorted(asked.sizes or SIZES):
            cost = measured(size, Path(name), base)
            costs.append(cost)
            seconds = f"{cost.worker_seconds:.1f} | {cost.own_seconds:.1f}"
            megabytes = f"{cost.stored_bytes / 1e6:.1f} | {cost.fetched_bytes / 1e6:.1f}"
            memory = f"{cost.own_bytes / 2**20:.0f} | {cost.worker_bytes / 2**20:.0f}"
            print(f"| {cost.segments:,} | {seconds} | {megabytes} | {cost.tasks} | {memory} |", flush=True)
    print("\n| | fixed | for a million segments | largest error | at 10^9 segments |")
    print("| --- | ---: | ---: | ---: | ---: |")
    lines = {}
    for field in fields(Cost)[1:]:
        fixed, slope, error = fitted(costs, field.name)
        lines[field.name] = fixed + slope * BILLION
        words = field.name.replace("_", " ")
        print(f"| {words} | {fixed:,.3g} | {slope * 1e6:,.4g} | {error:.0%} | {lines[field.name]:,.4g} |")
    core_hours = (lines["worker_seconds"] + lines["own_seconds"]) / 3600
    gib = lines["stored_bytes"] / 2**30
    amounts = {
        "core hours": (core_hours, asked.core_hour),
        "GiB stored for a day": (gib * MONTHS, asked.gib_month),
        "million reads of the store, 4 for a row group": (4 * lines["partitions"] / 1e6, asked.million_requests),
    }
    print("\n| at 10^9 segments | amount | times the price |\n| --- | ---: | ---: |")
    for what, (amount, price) in amounts.items():
        print(f"| {what} | {amount:,.4g} | {'not given' if price is None else f'{amount * price:,.2f}'} |")
    # A small dataset has a partition for each row group, a large one for every 16.
    n_tasks = fitted(costs, "tasks")[1] / fitted(costs, "partitions")[1] * lines["partitions"] / partitions.MAX_PORTIONS
    print(f"\nScheduler: {n_tasks * SECONDS_A_TASK:,.0f} s for {n_tasks:,.0f} tasks at 10^9 segments.")


if __name__ == "__main__":
    main()
