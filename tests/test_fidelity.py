"""docs/fidelity.md is what its checks measure."""

import re

import pytest

from tests.fidelity import TABLE, measured, rows

ROWS = rows()


@pytest.mark.parametrize("r", ROWS, ids=lambda r: f"{r.model}: {r.check}")
def test_row_is_current(r):
    error = measured(r)
    before, after = r.line(0.0).split("| 0")[0], r.line(0.0).split("|")[-2]
    lines = [x for x in TABLE.read_text().splitlines() if x.startswith(before)]
    assert len(lines) == 1 and lines[0].split("|")[-2] == after, "run `make fidelity`"
    shown = re.search(r"\| (< )?([0-9.e+-]+)[^|]*\|[^|]*\|$", lines[0])
    assert shown is not None
    stated = float(shown.group(2))
    # Machines round differently; a figure ten times off is out of date.
    assert error <= max(10 * stated, 1e-12), "run `make fidelity`"


def test_table_has_no_other_rows():
    lines = [x for x in TABLE.read_text().splitlines() if x.startswith("| ")][2:]
    assert len(lines) == len(ROWS)
