"""Reference figures of the logit: statsmodels' own data sets, fitted by statsmodels.

    .venv/bin/python tests/reference/logit.py
writes anes96.csv and spector.csv beside this file (the class first, then the columns, constant left out)
and prints log-likelihoods, coefficients and standard errors.
"""
import pathlib

import numpy as np
import statsmodels.api as sm

HERE = pathlib.Path(__file__).parent


def write(name, endog, exog, columns):
    table = np.column_stack([endog, exog])
    header = ",".join(["class", *columns])
    np.savetxt(HERE / f"{name}.csv", table, delimiter=",", header=header, comments="", fmt="%.17g")


spector = sm.datasets.spector.load_pandas()
write("spector", spector.endog, spector.exog, spector.exog.columns)
fit = sm.Logit(spector.endog, sm.add_constant(spector.exog, prepend=True)).fit(disp=0, tol=1e-14)
print("spector", fit.llf, fit.params.tolist(), fit.bse.tolist())

anes = sm.datasets.anes96.load_pandas()
write("anes96", anes.endog, anes.exog, anes.exog.columns)
fit = sm.MNLogit(anes.endog, sm.add_constant(anes.exog, prepend=True)).fit(disp=0, tol=1e-14)
print("anes96", fit.llf, fit.llnull, list(anes.exog.columns))
