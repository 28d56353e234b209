"""Published effects, worked out again from fct_exposures by plain numpy.

    .venv/bin/python tests/reference/recompute.py FOLDER
reads FOLDER/exposures.csv (the answers in the fit, as published) and FOLDER/asked.json (per touchpoint: what its
total effect is adjusted for, what is undone with it, which states it is not compared with, whether the run says
that its model was penalised), and writes FOLDER/found.json. Nothing is shared with the program.
"""
import json
import pathlib
import sys

import numpy as np
import pandas as pd
from scipy import optimize, stats

FOLDER = pathlib.Path(sys.argv[1])
COVARIATES = [
    "x_month", "survey_kind", "trigger", "mode", "x_days_to_answer_bin", "x_orders_bin",
    "x_earlier_purchases_bin", "x_observable_days_bin", "x_other_events_bin",
]  # fmt: skip
FEWEST_OF_A_LEVEL = 50

table = pd.read_csv(FOLDER / "exposures.csv", dtype=str)
asked = json.loads((FOLDER / "asked.json").read_text())
n = len(table)
y = table["nps_class"].map({"promoter": 0, "passive": 1, "detractor": 2}).to_numpy()
cluster = pd.factorize(table["cluster"])[0]


def state(touchpoint, word):
    return (table[f"tp_{touchpoint}_state"] == word).to_numpy()


def covariate_columns():
    for name in COVARIATES + [name for name in table.columns if name.startswith("seg_")]:
        values = table[name].fillna("(unknown)")
        counts = values.value_counts()
        reference = min(counts.index[counts == counts.max()])
        others = sorted(level for level in counts.index if level != reference)
        for level in others:
            if counts[level] >= FEWEST_OF_A_LEVEL:
                yield (values == level).to_numpy()
        rare = [level for level in others if counts[level] < FEWEST_OF_A_LEVEL]
        if counts[rare].sum() >= FEWEST_OF_A_LEVEL:
            yield values.isin(rare).to_numpy()


def design(touchpoints):
    """Columns that say something that those before them do not, each with its (touchpoint, state)."""
    columns = [(None, np.ones(n))] + [(None, column) for column in covariate_columns()]
    for touchpoint in touchpoints:
        for word in ["yes", "too_early", "unknown", "not_measured"]:
            columns.append(((touchpoint, word), state(touchpoint, word)))
    kept, basis = [], np.empty((n, 0))
    for label, column in columns:
        column = column.astype(float)
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        if rest @ rest > 1e-7 * max(1.0, column @ column):
            kept.append((label, column))
            basis = np.column_stack([basis, rest / np.sqrt(rest @ rest)])
    return np.column_stack([column for _, column in kept]), [label for label, _ in kept]


def probabilities(x, beta):
    eta = np.column_stack([np.zeros(len(x)), x @ beta])
    e = np.exp(eta - eta.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def information(x, p):
    k = x.shape[1]
    whole = np.zeros((2 * k, 2 * k))
    for a in (0, 1):
        for b in (0, 1):
            weight = p[:, a + 1] * ((a == b) - p[:, b + 1])
            whole[a::2, b::2] = x.T @ (x * weight[:, None])
    return whole


def slope_of_prior(x, p, inverse):
    """Of half the log-determinant: half the trace of the inverse times the information's own slope."""
    free = p[:, 1:]
    leverage = np.empty((n, 2, 2))
    for a in (0, 1):
        for b in (0, 1):
            leverage[:, a, b] = ((x @ inverse[a::2, b::2]) * x).sum(axis=1)
    slope = np.zeros((n, 2))
    for c in (0, 1):
        moved = free * ((np.arange(2) == c) - free[:, [c]])  # of each probability, by the log-odds of c
        for a in (0, 1):
            for b in (0, 1):
                weight = moved[:, a] * ((a == b) - free[:, b]) - free[:, a] * moved[:, b]
                slope[:, c] += 0.5 * leverage[:, a, b] * weight
    return (x.T @ slope).reshape(-1)


def fit(x, is_penalised):
    """Found by a quasi-Newton method in coordinates in which the likelihood is about round."""
    shape = (x.shape[1], 2)
    observed = np.column_stack([y == 1, y == 2])
    start = np.zeros(shape)
    whiten = np.linalg.inv(np.linalg.cholesky(information(x, probabilities(x, start)))).T

    def falls(z):
        p = probabilities(x, (whiten @ z).reshape(shape))
        slope = (x.T @ (observed - p[:, 1:])).reshape(-1)
        value = np.log(np.maximum(p[np.arange(n), y], 1e-300)).sum()
        if is_penalised:
            whole = information(x, p)
            value += 0.5 * np.linalg.slogdet(whole)[1]
            slope = slope + slope_of_prior(x, p, np.linalg.inv(whole))
        return -value, -whiten.T @ slope

    found = optimize.minimize(falls, np.zeros(start.size), jac=True, method="BFGS", options={"gtol": 1e-7})
    beta = (whiten @ found.x).reshape(shape)
    p = probabilities(x, beta)
    inverse = np.linalg.inv(information(x, p))
    # How far from rest, in standard errors.
    slope = np.linalg.solve(whiten.T, -found.jac)
    assert slope @ inverse @ slope < 1e-12, (found.message, slope @ inverse @ slope)
    return beta, p, inverse


def slopes(x, p, of, weight):
    """Of Σ weight × P(of), by the coefficients."""
    by_class = [p[:, of] * ((of == a) - p[:, a]) * weight for a in (1, 2)]
    return np.column_stack([x.T @ one for one in by_class]).reshape(-1)


def clustered(influence):
    sums = np.bincount(cluster, influence)
    return np.sqrt(len(sums) / (len(sums) - 1) * sums @ sums)


def effect(touchpoint, how):
    x, labels = design(how["model"])
    beta, p, inverse = fit(x, how["is_penalised"])
    met = state(touchpoint, "yes")
    without = x.copy()
    for at, label in enumerate(labels):
        if label == (touchpoint, "yes") or (label and label[0] in how["parts"] and label[1] != "not_measured"):
            without[met, at] = 0.0
    p0 = probabilities(without, beta)
    weight = met.astype(float)
    fewer = slopes(x, p, 2, weight) - slopes(without, p0, 2, weight)
    more = slopes(without, p0, 0, weight) - slopes(x, p, 0, weight)
    risk = np.where(met, p[:, 2] - p0[:, 2], 0.0)
    points = 100 * (risk + np.where(met, p0[:, 0] - p[:, 0], 0.0))
    observed = np.column_stack([y == 1, y == 2])
    score = (x[:, :, None] * (observed - p[:, 1:])[:, None, :]).reshape(n, -1) @ inverse
    exposed, difference = met.sum(), risk.sum() / met.sum()
    # Compared with who was spared it and is in no other state of its factor.
    spared = state(touchpoint, "no")
    for other in how["not_compared_with"]:
        spared = spared & ~state(other, "yes")
    degrees = min(len(set(cluster[met])), len(set(cluster[spared]))) - 1
    found = {}
    for name, value, slope, own in [
        ("nps_points", points.mean(), 100 * (fewer + more) / n, (points - points.mean()) / n),
        ("risk_difference", difference, fewer / exposed, np.where(met, risk - difference, 0) / exposed),
    ]:
        error, these = clustered(score @ slope + own), clustered(score @ slope)
        reach = stats.t.ppf(0.975, degrees)
        found[name] = {
            "estimate": value, "std_error": error, "low": value - reach * error, "high": value + reach * error,
            "low_these": value - reach * these, "high_these": value + reach * these,
        }  # fmt: skip
    return found


found = {touchpoint: effect(touchpoint, how) for touchpoint, how in asked.items()}
(FOLDER / "found.json").write_text(json.dumps(found))
