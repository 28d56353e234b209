"""The random problem that the test `stats` makes, solved by statsmodels and plain numpy.

    .venv/bin/python tests/reference/parity.py FOLDER
reads FOLDER/problem.csv and writes FOLDER/solved.json. Nothing is shared with the program: dense matrices,
statsmodels' MNLogit for the coefficients, derivatives of the standardised effects by central differences.
With the further argument `firth` the coefficients maximise the likelihood times Jeffreys' prior instead, whose
slope is taken by central differences too. Weights are whole numbers: an answer stands there so many times. Only in
proportion do they matter: counts of answers, and the prior's share, are as if their mean were one.

Touchpoints: late and gone exclude each other (stage 0); ticket with its part slow (stage 1, slow has the
state `too_early`), and callback, which comes after slow and so after ticket; returned (stage 2, with the states
`unknown` and `not_measured`). States: 0 no, 1 yes, 2 too early, 3 unknown, 4 not measured.
"""
import json
import pathlib
import sys

import numpy as np
import statsmodels.api as sm

FOLDER = pathlib.Path(sys.argv[1])
IS_PENALISED = "firth" in sys.argv[2:]
NAMES = ["late", "gone", "ticket", "slow", "returned", "callback"]
STAGES = [0, 0, 1, 1, 2, 1]
PARTS = {2: [3]}
LATER = {2: [5], 3: [5]}

once = np.genfromtxt(FOLDER / "problem.csv", delimiter=",", names=True)
once = once[once["weight"] > 0]
table = np.repeat(once, once["weight"].astype(int))
SCALE = len(once) / len(table)
y = table["class"].astype(int)  # 0 promoter, 1 passive, 2 detractor
cluster = table["cluster"].astype(int)
states = np.column_stack([table[name].astype(int) for name in NAMES])
n = len(y)


def most_frequent_first(codes):
    levels, counts = np.unique(codes, return_counts=True)
    reference = levels[np.argmax(counts)]
    return [level for level in levels if level != reference]


def design(touchpoints):
    """Columns with their labels: (term, level)."""
    columns, labels = [np.ones(n)], [("constant", 0)]
    for name in ["region", "month"]:
        for level in most_frequent_first(once[name]):
            columns.append(table[name] == level)
            labels.append((name, int(level)))
    for t in touchpoints:
        for state in [1, 2, 3, 4]:
            if (states[:, t] == state).any():
                columns.append(states[:, t] == state)
                labels.append((NAMES[t], state))
    return np.column_stack(columns).astype(float), labels


def probabilities(x, beta):
    eta = np.column_stack([np.zeros(len(x)), x @ beta])
    e = np.exp(eta - eta.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def information_at(x, beta):
    p, k = probabilities(x, beta), x.shape[1]
    information = np.zeros((2 * k, 2 * k))
    for a in (1, 2):
        for b in (1, 2):
            w = p[:, a] * ((a == b) - p[:, b])
            information[a - 1 :: 2, b - 1 :: 2] = x.T @ (x * w[:, None])
    return information


def penalised(x):
    """Where the slope of the log-likelihood and of half the log-determinant of the information cancel."""
    shape = (x.shape[1], 2)
    beta = np.zeros(shape).reshape(-1)
    prior = lambda b: 0.5 * np.linalg.slogdet(information_at(x, b.reshape(shape)))[1]
    value = lambda b: SCALE * np.log(probabilities(x, b.reshape(shape))[np.arange(n), y]).sum() + prior(b)
    for _ in range(500):
        residual = np.stack([(y == a) - probabilities(x, beta.reshape(shape))[:, a] for a in (1, 2)], axis=1)
        slope = SCALE * (x.T @ residual).reshape(-1)
        for i in range(beta.size):
            h = np.zeros(beta.size)
            h[i] = 1e-5
            slope[i] += (prior(beta + h) - prior(beta - h)) / 2e-5
        step = np.linalg.solve(SCALE * information_at(x, beta.reshape(shape)), slope)
        if np.abs(step).max() < 1e-8:
            return beta.reshape(shape)
        # The plain information takes no notice of the prior: a whole step goes too far where the prior is all there is.
        share = 0.5
        while value(beta + share * step) < value(beta) - 1e-9:
            share /= 2
        beta = beta + share * step
    raise SystemExit("the penalised fit does not come to rest")


def solve(touchpoints):
    x, labels = design(touchpoints)
    if IS_PENALISED:
        beta = penalised(x)
    else:
        fit = sm.MNLogit(y, x).fit(method="newton", maxiter=100, tol=1e-15, disp=0)
        beta = np.asarray(fit.params)  # column × class
    p = probabilities(x, beta)
    k = x.shape[1]
    residual = np.stack([(y == a).astype(float) - p[:, a] for a in (1, 2)], axis=1)
    score = (x[:, :, None] * residual[:, None, :]).reshape(n, 2 * k)  # coefficient j*2 + a
    return x, labels, beta, score, np.linalg.inv(information_at(x, beta))


def by_cluster(values):
    _, index = np.unique(cluster, return_inverse=True)
    sums = np.zeros((index.max() + 1, values.shape[1]))
    np.add.at(sums, index, values)
    return sums


def covariance(influence):
    sums = by_cluster(influence)
    c = len(sums)
    return c / (c - 1) * sums.T @ sums


def measures(x, x0, beta, met, observed):
    """Each measure with its own part of the influence, at some coefficients."""
    p, p0 = probabilities(x, beta), probabilities(x0, beta)
    gain = p[:, 2] - p0[:, 2]
    rise = p0[:, 0] - p[:, 0]
    points = 100 * (gain + rise)
    exposed, detractors = met.sum(), observed.sum()
    difference = gain[met].sum() / exposed
    with_, without = p[met, 2].sum(), p0[met, 2].sum()
    share = gain.sum() / detractors
    ratio = np.where(met, p[:, 2] / with_ - p0[:, 2] / without, 0.0)
    return {
        "nps_points": (points.mean(), (points - points.mean()) / n),
        "risk_difference": (difference, np.where(met, gain - difference, 0) / exposed),
        "log_risk_ratio": (np.log(with_ / without), ratio),
        "avoidable_detractors": (SCALE * gain.sum(), SCALE * (gain - gain.mean())),
        "avoidable_detractor_share": (share, (gain - share * observed) / detractors),
        "promoters_gained": (SCALE * rise.sum(), SCALE * (rise - rise.mean())),
    }


def effect(solved, t):
    x, labels, beta, score, inverse = solved
    met = states[:, t] == 1
    x0 = x.copy()
    for j, label in enumerate(labels):
        is_own = label == (NAMES[t], 1)
        # What was never measured says nothing of the event, and stays.
        if is_own or (label[0] in [NAMES[part] for part in PARTS.get(t, [])] and label[1] != 4):
            x0[met, j] = 0.0
    observed = (y == 2).astype(float)
    at = measures(x, x0, beta, met, observed)
    slopes = {name: np.zeros(beta.size) for name in at}
    step = 1e-5
    for i in range(beta.size):
        moved = [beta.copy().reshape(-1) for _ in range(2)]
        moved[0][i] += step
        moved[1][i] -= step
        up, down = [measures(x, x0, m.reshape(beta.shape), met, observed) for m in moved]
        for name in at:
            slopes[name][i] = (up[name][0] - down[name][0]) / (2 * step)
    found, stacked = {}, None
    for name, (value, own) in at.items():
        model = score @ (inverse @ slopes[name])
        process = covariance((model + own)[:, None])[0, 0] ** 0.5
        these = covariance(model[:, None])[0, 0] ** 0.5
        found[name] = {"value": value, "process": process, "these": these}
        if name == "nps_points":
            stacked = model + own
    return found, stacked


def main():
    everything = list(range(len(NAMES)))
    direct = solve(everything)
    x, labels, beta, score, inverse = direct
    solved = {
        "labels": [list(label) for label in labels],
        "coefficients": beta.reshape(-1).tolist(),
        "clustered": (inverse @ covariance(score) @ inverse).tolist(),
        "direct": {},
        "total": {},
    }
    stacked = []
    for t in everything:
        found, _ = effect(direct, t)
        solved["direct"][NAMES[t]] = found
        held = [o for o in everything if STAGES[o] <= STAGES[t] and not (o in LATER.get(t, []))]
        found, phi = effect(solve(held), t)
        solved["total"][NAMES[t]] = found
        stacked.append(phi)
    solved["joint"] = covariance(np.column_stack(stacked)).tolist()
    (FOLDER / "solved.json").write_text(json.dumps(solved))


main()
