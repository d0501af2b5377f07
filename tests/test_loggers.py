"""What a run's metrics file gives back."""

from screwpush_jax.config import Config
from screwpush_jax.loggers import Loggers, read_metrics


def test_iterations_done_again_replace_what_they_were_before(tmp_path):
    for first, last, loss in ((1, 4, 1.0), (3, 5, 2.0)):  # stopped after 4, gone on from 2
        log = Loggers(tmp_path, Config())
        for iteration in range(first, last + 1):
            log.write(iteration, 100 * iteration, {"actor/loss": loss})
        log.close()
    rows = read_metrics(tmp_path)
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["actor/loss"] for row in rows] == [1.0, 1.0, 2.0, 2.0, 2.0]
