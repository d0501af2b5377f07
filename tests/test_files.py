"""Files that are whole or as they were."""

import json
import math
import os

import pytest

from screwpush_jax.files import json_safe, to_json, write_atomically


def test_json_says_null_for_what_is_not_finite():
    tree = {"a": [1.5, math.nan, (math.inf, {"b": -math.inf})], "c": True, "d": "NaN", "e": 3}
    expected = {"a": [1.5, None, [None, {"b": None}]], "c": True, "d": "NaN", "e": 3}
    assert json_safe(tree) == expected
    assert json.loads(to_json(tree)) == expected


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_file_that_cannot_be_written_stays_as_it_was(call, tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_atomically(path, "old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match="No space.*result.json"):
            write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]
    write_atomically(path, b"new")
    assert path.read_text() == "new"
