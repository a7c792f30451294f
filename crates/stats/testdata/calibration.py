"""Numbers for crates/stats/src/calibration/tests.rs: `python calibration.py`, with scikit-learn 1.x and numpy."""

import numpy
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

X = numpy.array([[0.1, 2.0], [0.4, 1.0], [0.35, 0.5], [0.8, 1.5], [0.9, 0.2], [0.7, 1.9], [0.2, 0.1], [0.6, 0.9]])
Y = numpy.array([0, 0, 1, 1, 1, 0, 0, 1])
RIDGE = 0.05

weights = numpy.where(Y == 1, 0.5 / (Y == 1).sum(), 0.5 / (Y == 0).sum())
fit = LogisticRegression(C=1 / RIDGE, tol=1e-12, max_iter=10_000).fit(X, Y, sample_weight=weights)
ten = numpy.log10(numpy.e)
print("logistic", (fit.intercept_ * ten).tolist(), (fit.coef_[0] * ten).tolist())

scores = numpy.array([-2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 1.0, 2.0])
truths = numpy.array([0, 0, 1, 0, 1, 0, 1, 1])
balanced = numpy.where(truths == 1, 0.5 / (truths == 1).sum(), 0.5 / (truths == 0).sum())
share = IsotonicRegression().fit(scores, truths, sample_weight=balanced).predict(scores)
with numpy.errstate(divide="ignore"):
    lr = numpy.log10(share / (1 - share))
print("pav", lr.tolist())


def cllr(x):
    with numpy.errstate(over="ignore"):
        return 0.5 * (numpy.log2(1 + 10.0 ** -x[truths == 1]).mean() + numpy.log2(1 + 10.0 ** x[truths == 0]).mean())


print("cllr", cllr(scores), cllr(lr))
