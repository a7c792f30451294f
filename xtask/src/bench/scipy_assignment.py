"""The solver that `cargo xtask bench assignment` is compared with: scipy.optimize.linear_sum_assignment.

Usage: scipy_assignment.py FILE N_ROWS N_COLUMNS REPEATS BUDGET. FILE holds little-endian f32, row by row. Prints the
seconds of the solve alone, best of REPEATS or of as many as BUDGET seconds allow, how many these were, and the
largest sum of weights.
"""
import sys
import time

import numpy as np
from scipy.optimize import linear_sum_assignment

n_rows, n_columns, repeats = map(int, sys.argv[2:5])
weights = np.fromfile(sys.argv[1], "<f4").reshape(n_rows, n_columns)
# In the type and the sign that scipy wants, so that no conversion is timed.
costs = -weights.astype(np.float64)
best, spent, n_runs = float("inf"), 0.0, 0
for _ in range(repeats):
    start = time.perf_counter()
    rows, columns = linear_sum_assignment(costs)
    elapsed = time.perf_counter() - start
    best, spent, n_runs = min(best, elapsed), spent + elapsed, n_runs + 1
    if spent > float(sys.argv[5]):
        break
print(best, n_runs, repr(float(weights[rows, columns].astype(np.float64).sum())))
