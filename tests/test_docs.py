"""What the documentation says, against what there is."""

import re
from pathlib import Path

from screwpush_jax.errors import UsageError
from screwpush_jax.tasks.task import StartsError
from screwpush_sim.errors import SimError

ROOT = Path(__file__).parents[1]


def family(base: type) -> set[str]:
    """Names of a class of ours and of those below it; tests have some of their own."""
    ours = base.__module__.split(".")[0] in ("screwpush_jax", "screwpush_sim")
    return ({base.__name__} if ours else set()).union(*map(family, base.__subclasses__()))


def test_every_error_is_explained_and_no_other():
    text = (ROOT / "docs/troubleshoot.md").read_text()
    explained = set(re.findall(r"^\| `(\w+Error)` \|", text, re.MULTILINE))
    ours = {
        name
        for base in (UsageError, StartsError, SimError)
        for name in family(base)
        if name != "SimError"  # never raised itself
    }
    assert explained == ours
