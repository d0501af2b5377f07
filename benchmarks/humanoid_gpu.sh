#!/bin/sh
# The humanoid on GPUs: `benchmarks/humanoid_gpu.sh NUM_ENVS SEEDS GPUS`, such as `4096 "0 1 2 3 4" "0 1 2 3 4"`.
#
# One run a seed, one at a time on each GPU; 4 minutes of training each, or MINUTES, and about two more for start
# and evaluation. Rows, curves and the picture go to OUT; then what each run's last iteration says of time and room.
set -eu
PYTHON=${PYTHON:-python} OUT=${OUT:-benchmarks/results} RUNS=${RUNS:-runs}
name=humanoid$1
$PYTHON -m benchmarks.learning --task humanoid --config "${CONFIG:-configs/humanoid.yaml}" --num-envs "$1" \
	--seeds $2 --gpus $3 --max-minutes "${MINUTES:-4}" --name "$name" \
	--runs-dir "$RUNS" --out "$OUT" --pictures "$OUT"
for run in "$RUNS"/humanoid/*-"$name"-*; do
	$PYTHON - "$run" <<'END'
import sys
from pathlib import Path
from screwpush_jax.loggers import read_metrics

row = read_metrics(Path(sys.argv[1]))[-1]
wanted = ("perf/", "env/speed_m_s", "env/upright", "env/fell", "env/return", "env/success_once")
print(sys.argv[1], {k: round(v, 5) for k, v in row.items() if k.startswith(wanted) and v is not None})
END
done
