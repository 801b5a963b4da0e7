"""Training makes of deviations a model, whatever order the database gives them in."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pytest

from detector.deviations import DEVIATIONS, NAMES
from detector.errors import ModelError
from detector.model.kept import Model
from detector.scoring import follow_attacks
from detector.training import fit_model


def made_up(n_rows: int) -> pd.DataFrame:
    """Deviations of seven days: most of them zero, one column null everywhere."""
    rng = np.random.default_rng(0)
    shape = (n_rows, len(NAMES))
    rows = pd.DataFrame(rng.exponential(2.0, shape) * (rng.random(shape) < 0.05), columns=list(NAMES))
    days = [date(2026, 3, 2) + timedelta(days=i % 7) for i in range(n_rows)]
    accounts = [f"a{i // 7}" for i in range(n_rows)]
    rows = rows.assign(account=accounts, channel="portal", day=days, peer_group="doctor portal", known_days=20)
    return rows.assign(regularity__own=np.nan)[list(DEVIATIONS.names)]


@pytest.fixture(scope="module")
def model() -> Model:
    """A model of them."""
    return fit_model(made_up(350))


def test_row_order_is_irrelevant(model: Model) -> None:
    """The same account-days in another order give the same model."""
    assert fit_model(made_up(350).sample(frac=1, random_state=1)).version == model.version


def test_columns_that_are_null_everywhere_are_left_out(model: Model) -> None:
    """The model's columns are the deviations that some account-day has, in their order."""
    assert model.columns == tuple(name for name in NAMES if name != "regularity__own")
    assert len(model.calibration) + len(model.set_aside) == 350


def test_too_few_account_days() -> None:
    """With fewer account-days than a tail needs, the error counts them and says what to do."""
    with pytest.raises(ModelError, match="199 account-days, at least 200 are needed; learn more days first"):
        fit_model(made_up(199))


class _Quiet:
    """Days after the first on which none of the accounts asked for did anything."""

    def leave_out(self, account_days: pd.DataFrame) -> None:
        """Nothing depends on it here."""

    def days_before(self, _day: date) -> list[date]:
        """No past that would take more than this."""
        return []

    def deviations(self, _day: date, *, accounts: list[str]) -> ir.Table:
        """No row, whoever is asked for."""
        assert accounts == ["a"]
        return ibis.memtable(pd.DataFrame({"account": pd.Series([], dtype="str")}))


def test_an_account_that_rests_after_its_strange_day_ends_no_training() -> None:
    """Nothing is judged on a day without a row of it, and nothing more is set aside."""
    first = date(2026, 3, 1)
    model = SimpleNamespace(set_aside=pd.DataFrame({"account": ["a"], "day": pd.to_datetime([first])}))
    found = follow_attacks(_Quiet(), model, days=[first, first + timedelta(days=1)])  # type: ignore[arg-type]
    assert found.to_dict("list") == {"account": ["a"], "day": [first]}
