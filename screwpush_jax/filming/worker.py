"""Renders one job in a process of its own: `python -m screwpush_jax.filming.worker JOB`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from screwpush_jax import video
from screwpush_jax.filming import drawing
from screwpush_jax.filming.job import load
from screwpush_jax.side_products import reason


def main(argv: Sequence[str]) -> int:
    job = load(Path(argv[0]))
    video.check_installed()
    renderer = video.open_renderer(job.scene, job.size_px, job.camera)
    try:
        for asked in job.videos:
            lay_out = drawing.side_by_side if asked.tiled else drawing.one_by_one
            asked.path.parent.mkdir(parents=True, exist_ok=True)
            video.write_video(asked.path, lay_out(asked.clips, renderer), job.fps)
    finally:
        renderer.close()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Exception as error:
        print(reason(error), file=sys.stderr)
        sys.exit(1)
