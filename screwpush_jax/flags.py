"""A configuration from a command line, by tyro; what is wrong with a flag in one line."""

import contextlib
import difflib
import io
import os
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import tyro

from screwpush_jax import migrate
from screwpush_jax.bounds import shown
from screwpush_jax.errors import UsageError
from screwpush_jax.field_kinds import leaves

T = TypeVar("T")


def _split(words: list[str]) -> tuple[str, ...]:
    return tuple(word for text in words for word in text.split(",") if word)


COMMAS = tyro.constructors.PrimitiveConstructorSpec(
    nargs="*",
    metavar="A,B,...",
    instance_from_str=_split,
    is_instance=lambda value: isinstance(value, tuple),
    str_from_instance=lambda value: [",".join(value)] if value else [],
)
"""Marks (in `Annotated`) a tuple of names that a command line takes as `a,b` or `a b`."""


def parse(kind: type[T], args: Sequence[str], default: T, prog: str, description: str) -> T:
    """`default` with the flags `args` on top.

    Raises:
      UsageError: in one line, what is wrong and what is valid.
      SystemExit: with code 0, after printing the help that was asked for.
    """
    if {"-h", "--help"} & set(args):
        tyro.cli(kind, args=["--help"], default=default, prog=prog, description=description)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said), _wide():
            config, unknown = tyro.cli(
                kind, args=list(args), default=default, prog=prog, return_unknown_args=True
            )
    except SystemExit:
        raise UsageError(_one_line(said.getvalue())) from None
    if unknown:
        where = migrate.field_hint(unknown[0].lstrip("-").replace("-", "_"))
        raise UsageError(f"unknown: {shown(unknown)}{where}; {_nearest(unknown[0], default)}")
    return config


def _nearest(flag: str, default: Any) -> str:
    """The flags that look most like `flag`, whole or in their last part."""
    flags = {name.replace("_", "-"): "" for name, _ in leaves(default)}
    wanted = flag.lstrip("-").replace("_", "-").split("=")[0]
    last = {name.rsplit(".", 1)[-1]: name for name in flags}
    near = difflib.get_close_matches(wanted, flags, n=3, cutoff=0.5)
    near += [last[name] for name in difflib.get_close_matches(wanted, last, n=3, cutoff=0.5)]
    choices = dict.fromkeys(near or [name for name in flags if "." not in name])
    return "valid flags like it: " + ", ".join(f"--{name}" for name in choices)


@contextlib.contextmanager
def _wide() -> Iterator[None]:
    """A terminal in which nothing that tyro prints is broken into lines."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "10000"
    try:
        yield
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before


def _one_line(message: str) -> str:
    """What tyro printed in a box, as one sentence."""
    lines = [line.strip() for line in message.splitlines()]
    lines = [line for line in lines if line and set(line) != {"-"}][1:]
    lines = [line for line in lines if not line.startswith("For full helptext")]
    return "; ".join(lines).replace(":;", ":").replace("Argument helptext:", "valid:")
