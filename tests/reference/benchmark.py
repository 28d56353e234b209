"""statsmodels' MNLogit on the problem of the test `benchmark_beside_statsmodels`; prints seconds and coefficients.

    .venv/bin/python tests/reference/benchmark.py FOLDER        (FOLDER/x.f64, row by row, and FOLDER/y.u8)
"""
import json
import pathlib
import sys
import time

import numpy as np
import statsmodels.api as sm

folder = pathlib.Path(sys.argv[1])
y = np.fromfile(folder / "y.u8", dtype=np.uint8).astype(int)
x = np.fromfile(folder / "x.f64", dtype="<f8").reshape(len(y), -1)
start = time.perf_counter()
fit = sm.MNLogit(y, x).fit(disp=0)
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "coefficients": np.asarray(fit.params).reshape(-1).tolist()}))
