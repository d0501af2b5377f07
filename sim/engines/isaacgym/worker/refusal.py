"""Isaac Gym reports failure by value; here it is an error."""


class GymRefusedError(Exception):
    """Isaac Gym answered a call with failure."""


def check(answer: bool, call: str) -> None:
    """Gym reports failure by value; nothing here goes on after one."""
    if not answer:
        raise GymRefusedError(f"Isaac Gym's {call} failed; its log lines say why")
