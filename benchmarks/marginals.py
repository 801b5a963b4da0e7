"""Honest life beside the rates that it was made for, over several seeds.

`python -m benchmarks.marginals` writes `docs/marginals.md`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import pyarrow.parquet as pq
import typer

from detector.simulate import World, simulate
from detector.simulate.marginals import ROUNDING, TOLERANCE, marginals

PAGE = Path(__file__).resolve().parents[1] / "docs" / "marginals.md"
SEEDS, ACCOUNTS, DAYS = (1, 2, 3, 4), 2_000, 91
"""Development seeds; return visits are counted over 90 days."""

MEASURES = {
    "active_share": "accounts active, of all, per day",
    "monday_share": "look-ups on Monday, of a whole week's (median week)",
    "not_found_share": "typed look-ups that find nobody",
    "repeat_share": "typed look-ups of a record seen before within 90 days",
    "same_department_share": "people born in the account's department",
    "foreign_share": "accounts that read a foreign record, of those active on the last working day",
}
REASONS: dict[str, str] = {}
"""Measure → why it may lie outside its range."""

_HEAD = """\
# Honest life, measured

Written by `python -m benchmarks.marginals`: {n} worlds without attack of {accounts:,} accounts and {days} days (seeds
{seeds}), each measured by `detector.simulate.marginals`. The stated rates are estimates for such a portal,
and public figures where there are any; they are round, and draws differ. So a percentile of a profession may be
{tolerance} of what is stated, and {rounding} of a look-up more or less for being a whole number;
shares must lie in the range that is stated. Professions with too few accounts to have percentiles are left out.

"""


def measure(seeds: Sequence[int], *, accounts: int = ACCOUNTS, days: int = DAYS) -> pd.DataFrame:
    """Return one row per measure: its range, and its value for each seed."""
    found = {}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "world"
            simulate(World(seed=seed, accounts=accounts, days=days), out)
            told = pq.read_table(out / "truth" / "accounts.parquet")
            found[seed] = marginals(pq.read_table(out / "events"), told).set_index("measure")
    first = next(iter(found.values()))
    return first[["low", "high"]].assign(**{str(seed): table["value"] for seed, table in found.items()})


def page(table: pd.DataFrame, *, accounts: int = ACCOUNTS, days: int = DAYS) -> str:
    """Return the measures as Markdown."""
    seeds = [name for name in table.columns if name not in ("low", "high")]
    tolerance = ", ".join(f"{low:g} to {high:g} times ({name})" for name, (low, high) in TOLERANCE.items())
    head = _HEAD.format(
        n=len(seeds), accounts=accounts, days=days, seeds=", ".join(seeds), tolerance=tolerance, rounding=ROUNDING
    )
    lines = ["| measure | range | mean | least and most | within |", "| --- | --- | --- | --- | --- |"]
    for name, row in table.iterrows():
        values = row[seeds]
        inside = values.between(row["low"], row["high"])
        verdict = "yes" if inside.all() else f"{inside.sum()} of {len(seeds)}: {REASONS.get(str(name), '')}".strip(": ")
        told = MEASURES.get(str(name), f"{str(name).replace('_', ' ')} of typed look-ups per active day")
        span = f"{_number(row['low'])} to {_number(row['high'])}"
        cells = (told, span, _number(values.mean()), f"{_number(values.min())} to {_number(values.max())}", verdict)
        lines.append("| " + " | ".join(cells) + " |")
    return head + "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1 else f"{value:.1f}"


def main(
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = ",".join(map(str, SEEDS)),
    out: Annotated[Path, typer.Option(help="The page.")] = PAGE,
) -> None:
    """Measure honest life over several seeds, and write the page."""
    table = measure([int(seed) for seed in seeds.split(",")])
    out.write_text(page(table), encoding="utf-8")
    typer.echo(out)


if __name__ == "__main__":
    typer.run(main)
