"""Prints the numbers that `crates/stats/src/cka/tests.rs` expects of two made representations.

HSIC_1 is written with the matrices of Song et al. (JMLR 13, 2012), eq. 5, and components are taken away by numpy's singular value
decomposition of the inputs, so that no line is the way in which the Rust code computes it.

    pip install numpy==2.4.6
    python testdata/scripts/cka_oracle.py
"""

import numpy as np


def made(n, width, a, b, c):
    i, j = np.meshgrid(np.arange(n), np.arange(width), indexing="ij")
    noise = ((a * i * i + b * j * j + c * i * j) % 101) / 50.0 - 1.0
    # One strong direction that both representations have.
    return (noise + 3.0 * np.cos(0.7 * i) * (j % 3 == 0)).astype(np.float32).astype(np.float64)


def unbiased_hsic(k, m):
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    return (np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


def biased_hsic(k, m):
    n = len(k)
    h = np.eye(n) - 1 / n
    return np.trace(k @ h @ m @ h) / (n - 1) ** 2


def cka(hsic, x, y):
    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def without(x, n_components):
    x = x - x.mean(axis=0)
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    s[:n_components] = 0
    return u @ np.diag(s) @ vt


x, y = made(40, 6, 7, 13, 3), made(40, 9, 5, 11, 17)
print("numpy", np.__version__)
print("unbiased", repr(float(cka(unbiased_hsic, x, y))))
print("biased", repr(float(cka(biased_hsic, x, y))))
for k in (1, 2):
    print("unbiased without", k, repr(float(cka(unbiased_hsic, without(x, k), without(y, k)))))
values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
print("eigenvalues", [float(v) for v in values[:3]], "squares", float((values**2).sum()))
