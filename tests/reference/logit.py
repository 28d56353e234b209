"""Reference figures of src/stats/logit.rs: statsmodels' own data sets, fitted by statsmodels.

Writes the two data sets as Rust arrays with the fits beside them:  .venv/bin/python tests/reference/logit.py
"""
import numpy as np
import statsmodels.api as sm

spector = sm.datasets.spector.load_pandas()
fit = sm.Logit(spector.endog, sm.add_constant(spector.exog, prepend=True)).fit(disp=0, tol=1e-14)
print("spector", fit.llf, fit.params.tolist(), fit.bse.tolist())
for row in np.column_stack([spector.endog, spector.exog]).tolist():
    print(row)

anes = sm.datasets.anes96.load_pandas()
exog = anes.exog.copy()
exog["logpopul"] = np.log(anes.data["popul"] + 0.1)
exog = exog[["logpopul", "selfLR", "age", "educ", "income"]] if "income" in exog else exog
fit = sm.MNLogit(anes.endog, sm.add_constant(exog, prepend=True)).fit(disp=0, tol=1e-14)
print("anes96", fit.llf, fit.llnull, list(exog.columns), fit.params.to_numpy().tolist())
