"""Draw the picture in the README: what `detector score` prints for the demo's last day (after `make demo`)."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console

from detector.output.table import render_days
from detector.verbs import score

FOLDER = Path(__file__).resolve().parent
DEMO = FOLDER.parent / "demo"
WIDTH = 100
SHOWN = 6


def main() -> None:
    """Score the demo's last day again, and write docs/img/demo.svg."""
    last = max((DEMO / "portal" / "events").glob("*.parquet"))
    scored = score(last, mapping=DEMO / "portal" / "mapping.toml", history=DEMO / "history", complete=True)
    zone = scored.settings.portal.zone
    console = Console(file=io.StringIO(), record=True, width=WIDTH, force_terminal=True, markup=False, highlight=False)
    console.print(render_days(scored.scores, scored.fired, scored.early, zone=zone, top=SHOWN, width=WIDTH))
    drawn = console.export_svg(title="detector score", unique_id="demo")
    # Rich would have the reader's browser fetch its font from elsewhere; any fixed-width one will do.
    (FOLDER / "img" / "demo.svg").write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL))
    print("docs/img/demo.svg")


if __name__ == "__main__":
    main()
