"""Pictures drawn by matplotlib with its own defaults, whatever the user has set up for theirs."""

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from screwpush_jax.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BACKEND = "MPLBACKEND"
_DPI = 110


def draw(path: Path, size_in: tuple[float, float], paint: Callable[["Figure"], None]) -> None:
    """Writes a PNG of `size_in` inches on which `paint` has drawn, and its folder where there is none.

    Raises:
      OSError: it cannot be written; an older picture is as it was.
      Exception: whatever matplotlib has to complain of.
    """
    picture = render(size_in, paint)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, picture)


def render(size_in: tuple[float, float], paint: Callable[["Figure"], None]) -> bytes:
    """A PNG of `size_in` inches on which `paint` has drawn. Raises what matplotlib raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fonts without a glyph, of old settings
        matplotlib, figure_class, canvas_class = _import()
        defaults = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"}
        with matplotlib.rc_context(defaults):
            figure = figure_class(figsize=size_in)
            canvas_class(figure)
            paint(figure)
            picture = io.BytesIO()
            figure.savefig(picture, format="png", dpi=_DPI)
    return picture.getvalue()


def _import():
    """matplotlib, its figure and the canvas without a window.

    Imported late and without the variable MPLBACKEND: a notebook sets it for its own kernel, and
    a name that this interpreter does not know is an error at import.
    """
    inherited = os.environ.pop(_BACKEND, None)
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    finally:
        if inherited is not None:
            os.environ[_BACKEND] = inherited
    return matplotlib, Figure, FigureCanvasAgg
