"""Trains gradient-boosted trees and writes them as LightGBM's own JSON.

    python -I lightgbm.py JOB     (-I: else `import lightgbm` would find this very file)

JOB is a JSON file: matrix (file of doubles, row by row, as this machine orders their bytes), labels (file of a byte
each, 1 is fraud), features (names of the columns), trees, parameters (LightGBM's), output (file to write), checked
(so many of the first rows' raw scores are written, too). A line on stdout for each tree; the same job gives the same
model, bit for bit.
"""

import json
import signal
import sys

import lightgbm
import numpy

# Ctrl-C ends it without a traceback; whoever started it removes the files.
signal.signal(signal.SIGINT, signal.SIG_DFL)

with open(sys.argv[1], encoding="utf-8") as file:
    job = json.load(file)

labels = numpy.fromfile(job["labels"], dtype=numpy.uint8)
matrix = numpy.memmap(job["matrix"], dtype=numpy.float64, mode="r", shape=(len(labels), len(job["features"])))

booster = lightgbm.train(
    job["parameters"],
    lightgbm.Dataset(matrix, labels, feature_name=job["features"]),
    num_boost_round=job["trees"],
    callbacks=[lambda state: print(state.iteration + 1, flush=True)],
    keep_training_booster=True,
)
result = {
    "model": booster.dump_model(),
    "metrics": {name: value for _, name, value, _ in booster.eval_train()},
    "raw_scores": booster.predict(matrix[: job["checked"]], raw_score=True).tolist(),
}
with open(job["output"], "w", encoding="utf-8") as file:
    json.dump(result, file)
