"""Prints a constraints file: each package that is needed to run, at the lowest version allowed.

`make test-lowest` installs exactly these; what is lower than what works there is a bound to raise.
"""

import re
import tomllib
from pathlib import Path

EXTRAS = ("video", "cuda12")  # of the latter only what does without a GPU is installed


def main() -> None:
    """Raises SystemExit if a requirement has no lower bound."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())[
        "project"
    ]
    wanted = list(project["dependencies"])
    for extra in EXTRAS:
        wanted += project["optional-dependencies"][extra]
    pins = {}
    for requirement in wanted:
        found = re.match(r"([\w-]+)(?:\[.*\])?>=([\w.]+)", requirement)
        if found is None:
            raise SystemExit(f"{requirement!r}: valid: a name and >= with the lowest version")
        pins[found[1]] = found[2]
    print("\n".join(f"{name}=={version}" for name, version in pins.items()))


if __name__ == "__main__":
    main()
