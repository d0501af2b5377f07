"""A JAX-native PPO learner for an arm that pushes bolts apart, over physics engines in `sim`.

`sim` is a name that others give their files, too, and Python takes the first that it finds: the
working folder's or the script's before an installed one. That is told here, where everything passes.
"""

import importlib.util
import os
import sys

_OURS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "sim")


def _in_the_way() -> str:
    """What Python would import as `sim` in the place of the package beside this one; empty if nothing."""
    try:
        spec = importlib.util.find_spec("sim")  # runs none of its code
    except ValueError:  # it was made by hand, and is in use already
        return "a module without a file"
    if spec is None or not os.path.isdir(_OURS):
        return ""
    places = list(spec.submodule_search_locations or ())
    if any(os.path.realpath(place) == os.path.realpath(_OURS) for place in places):
        return ""
    return spec.origin or " and ".join(places)


def _need_own_sim() -> None:
    if not (found := _in_the_way()):
        return
    text = f"{found} is in the way of the package `sim` in {_OURS}: rename it, or start elsewhere"
    if sys.argv[:1] == ["-m"] and any(__name__ in arg for arg in sys.orig_argv):
        # `python -m screwpush_jax...` is looking for its module: an ImportError would be a traceback
        print(f"error: {text}", file=sys.stderr)
        sys.exit(2)
    raise ImportError(text, name="sim", path=found)


_need_own_sim()
