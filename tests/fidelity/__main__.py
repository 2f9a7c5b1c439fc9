"""Measure all rows and write docs/fidelity.md."""

import jax

jax.config.update("jax_enable_x64", True)

from tests.fidelity import HEAD, TABLE, measured, rows  # noqa: E402

TABLE.write_text(HEAD + "".join(r.line(measured(r)) + "\n" for r in rows()))
print(f"{len(rows())} rows written to {TABLE.name}")
