"""Makes crates/stats/testdata/tails.tsv: logarithms of tails from mpmath (pip install mpmath==1.4.1), arguments exact as binary64.

Usage: python tails.py > crates/stats/testdata/tails.tsv
"""

from mpmath import erfc, exp, gammainc, log, log1p, loggamma, mp, mpf, sqrt

mp.dps = 60


def row(name, value, *arguments):
    if value == 0 or abs(value) < mpf(10) ** -300:
        return  # ln p itself is below the smallest number
    print(name, *(repr(float(a)) for a in arguments), mp.nstr(value, 20), sep="\t")


def normal(z):
    if z < 0:
        return log1p(-erfc(mpf(-z) / sqrt(2)) / 2)
    return log(erfc(mpf(z) / sqrt(2)) / 2)


def gamma_sf(x, a):
    """ln Q(a, x): continued fraction where the tail is small, 1 - series elsewhere."""
    x, a = mpf(x), mpf(a)
    front = a * log(x) - x - loggamma(a)
    if x > a + 1 and x > 50:
        n, previous = 64, None
        while True:
            value = x + 2 * n + 1 - a
            for i in range(n, 0, -1):
                value = x + 2 * i - 1 - a - i * (i - a) / value
            value = front - log(value)
            if previous is not None and abs(value - previous) < abs(value) * mpf(10) ** -25:
                return value
            previous, n = value, n * 2
    if x > a:
        return log(gammainc(a, x, regularized=True))
    total, term, d = mpf(0), mpf(1), a
    while term > total * mpf(10) ** -55 or total == 0:
        total += term
        d += 1
        term *= x / d
    return log1p(-total * exp(front) / a)


def beta_lower(x, a, b):
    """I_x(a, b) by the series with positive terms x^a (1-x)^b / (a B) 2F1(a+b, 1; a+1; x)."""
    x, a, b = mpf(x), mpf(a), mpf(b)
    front = a * log(x) + b * log(1 - x) - log(a) - loggamma(a) - loggamma(b) + loggamma(a + b)
    total, term, n = mpf(0), mpf(1), 0
    while term > total * mpf(10) ** -50 or total == 0:
        total += term
        term *= (a + b + n) / (a + 1 + n) * x
        n += 1
    return front + log(total)


def beta_cdf(x, a, b):
    if mpf(x) <= mpf(a) / (mpf(a) + mpf(b)):
        return beta_lower(x, a, b)
    return log1p(-exp(beta_lower(1 - mpf(x), b, a)))


def beta_sf(x, a, b):
    return beta_cdf(1 - mpf(x), b, a)


print("# function, arguments, ln of the tail; made by testdata/scripts/tails.py with mpmath 1.4.1")
for z in [-30.0, -12.5, -8.0, -5.0, -3.3, -2.0, -1.0, -0.1, -1e-9, 0.0, 1e-12, 0.3, 0.9999, 1.0, 1.5, 1.999, 2.0, 2.001, 2.5, 3.0, 4.0,
          5.5, 7.0, 10.0, 15.3, 26.0, 38.6, 60.0, 100.0, 173.0, 500.0, 1234.5, 3000.0, 9999.0, 10000.0, 10050.0]:
    row("normal", normal(z), z)
for k in [0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 31.0, 32.0, 64.0, 100.0, 257.0, 1000.0, 4096.0, 20000.0, 1e6]:
    for factor in [1e-3, 0.3, 0.8, 0.99, 1.0, 1.01, 1.3, 2.0, 5.0, 40.0, 1e3]:
        if k < 1e5 or 0.5 < factor < 1.1 or factor > 4:
            row("chi2", gamma_sf(mpf(k * factor) / 2, mpf(k) / 2), k * factor, k)
for k in [1.0, 2.0, 64.0, 1000.0]:
    for x in [1e4, 1e6, 1.01e8]:
        row("chi2", gamma_sf(mpf(x) / 2, mpf(k) / 2), x, k)
for a, b in [(0.5, 0.5), (1.0, 1.0), (2.0, 3.0), (0.3, 20.0), (40.0, 1.5), (150.0, 150.0), (1000.0, 10.0), (3.0, 5000.0), (2048.5, 0.5)]:
    for x in [1e-8, 1e-3, 0.1, 0.4, 0.5, 0.7, 0.95, 0.999]:
        row("beta", beta_sf(x, a, b), x, a, b)
        row("beta_cdf", beta_cdf(x, a, b), x, a, b)
for n, k, p in [(10, 3, 0.2), (100, 60, 0.5), (1000, 2, 1e-3), (1000, 1000, 0.3), (4096, 700, 0.1), (20000, 19000, 1 / 3), (10**6, 520_000, 0.5),
                (10**6, 30, 1e-6), (10**6, 900_000, 1e-20), (10**9, 5, 1.3e-9), (32, 31, 0.5), (10**6, 10**6, 1e-21)]:
    row("binomial", beta_cdf(mpf(p), k, n - k + 1), k, n, p)
for x in [1e-9, 1e-3, 0.25, 0.5, 0.999, 1.0, 1.001, 1.5, 2.0, 2.5, 3.0, 7.3, 15.99, 16.0, 16.1, 100.0, 1e3, 14337.0, 1e6, 1e9, 1e15]:
    row("gamma", loggamma(mpf(x)), x)
for n, k in [(5, 2), (100, 50), (20000, 3), (20000, 10000), (20000, 64), (20000, 65), (1000, 935)]:
    row("choose", loggamma(mpf(n) + 1) - loggamma(mpf(k) + 1) - loggamma(mpf(n - k) + 1), n, k)
