"""A journal is of an account's paper runs or of its live ones."""

from pathlib import Path

import pytest

from tapeline.errors import ConfigError
from tapeline.store.journal import Journal


def test_an_account_keeps_the_mode_of_its_first_run(tmp_path: Path) -> None:
    first = Journal(tmp_path)
    first.belong(["main", "other"], "paper")
    first.belong(["main"], "paper")
    first.close()
    again = Journal(tmp_path)
    again.belong(["main"], "paper")
    with pytest.raises(ConfigError) as refused:
        again.belong(["main"], "live")
    assert str(refused.value) == (
        f"account 'main': the journal in {tmp_path} is of its paper runs. What these hold and have ordered is not so "
        "in a live run: give that a [store] path of its own, or another [account] name"
    )
    again.close()


def test_one_account_that_is_refused_leaves_the_others_free(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.belong(["main"], "live")
    with pytest.raises(ConfigError, match=r"'main'.* is of its live runs"):
        journal.belong(["new", "main"], "paper")
    journal.belong(["new"], "live")
    journal.belong(["desk"], "paper")
    journal.close()
