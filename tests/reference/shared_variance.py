"""LMG shares of `swiss` and `mtcars` (R's datasets), by spelling out every order of entry.

    .venv/bin/python tests/reference/shared_variance.py
The figures agree with relaimpo's (Groemping 2007).
"""
import itertools
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent


def shares(y, x, w):
    w = w / w.sum()
    y = y - w @ y
    x = x - w @ x

    def r_squared(columns):
        if not columns:
            return 0.0
        part = x[:, sorted(columns)] * np.sqrt(w)[:, None]
        fitted = part @ np.linalg.lstsq(part, y * np.sqrt(w), rcond=None)[0]
        return fitted @ fitted / (w @ y**2)

    orders = list(itertools.permutations(range(x.shape[1])))
    total = np.zeros(x.shape[1])
    for order in orders:
        for at, column in enumerate(order):
            total[column] += r_squared(order[: at + 1]) - r_squared(order[:at])
    return r_squared(range(x.shape[1])), total / len(orders)


for name in ["swiss", "mtcars"]:
    data = np.genfromtxt(HERE / f"{name}.csv", delimiter=",", skip_header=1)
    n = len(data)
    print(name, *shares(data[:, 0], data[:, 1:], np.ones(n)))
    print(name, "weighted", *shares(data[:, 0], data[:, 1:], 1.0 + np.arange(1, n + 1) % 3))
