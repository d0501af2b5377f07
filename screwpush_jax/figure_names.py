"""Names of a task's figures as people read them: in words, and the unit that a name ends with apart."""

_UNITS = {"m_s": "m/s", "rad_s": "rad/s", "m": "m", "s": "s", "rad": "rad", "kg": "kg", "N": "N"}
"""Longer endings before those that they end with."""


def words_and_unit(name: str) -> tuple[str, str]:
    """`speed_m_s` is ("speed", "m/s"); a name without a unit has an empty one."""
    for ending, unit in _UNITS.items():
        if name.endswith(f"_{ending}"):
            return in_words(name.removesuffix(f"_{ending}")), unit
    return in_words(name), ""


def with_value(name: str, value: str) -> str:
    """The figure's words, its value, and its unit if it has one."""
    words, unit = words_and_unit(name)
    return f"{words} {value} {unit}".rstrip()


def in_words(name: str) -> str:
    """A name without its underscores."""
    return name.replace("_", " ")
