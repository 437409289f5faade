"""How far a sample may be from what it is a sample of: standard errors, intervals, and the verdict they allow.

Every tolerance is stated before the comparison: so many standard errors, taken from the number of draws and the
reference itself where its variance is known, else from independent batches of the run; plus what the source rounded
away. Four standard errors are exceeded by luck once in 16,000 comparisons, so a failure means something.
"""

from collections.abc import Callable, Mapping, Sequence
from math import exp, fsum, sqrt

from raclette.lab.experiments.contract import FAIL, PASS, UNJUDGED, Number, Origin, Row
from raclette.lab.experiments.published import Printed

# Standard errors allowed to chance.
SIGMAS = 4.0
# Batches that a run is cut into where its error is estimated from itself.
BATCHES = 50
# Terms of Kolmogorov's series; they fall off like exp(-k**2).
_KOLMOGOROV_TERMS = 100


def binomial_tolerance(probability: float, trials: int) -> float:
    """Four standard errors of a frequency, and four counts for the lumps of rare events."""
    return (SIGMAS * sqrt(probability * (1 - probability) * trials) + SIGMAS) / trials


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """95 % interval of a frequency. Source: Wilson 1927, Journal of the American Statistical Association 22."""
    z = 1.96
    share = hits / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and its standard error (0 for fewer than two values)."""
    mean = fsum(values) / len(values)
    if len(values) < 2:
        return mean, 0.0
    return mean, sqrt(fsum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))


def ratio_and_error(tops: Sequence[float], bottoms: Sequence[float]) -> tuple[float, float]:
    """Sum of `tops` over sum of `bottoms`, each entry an independent batch, and the standard error of that ratio.

    Source: Cochran, Sampling Techniques, 1977, section 2.11 (ratio estimates).
    """
    total = fsum(bottoms)
    ratio = fsum(tops) / total
    count = len(tops)
    spread = fsum((top - ratio * bottom) ** 2 for top, bottom in zip(tops, bottoms, strict=True)) / (count - 1)
    return ratio, sqrt(spread * count) / total


def kolmogorov_smirnov(sample: Sequence[float], distribution: Callable[[float], float]) -> tuple[float, float]:
    """(largest distance between sample and distribution, probability of one at least as large by chance).

    Source: Kolmogorov 1933, with the correction for finite samples of Stephens 1970.
    """
    ordered = sorted(sample)
    count = len(ordered)
    distance = 0.0
    for index, value in enumerate(ordered):
        expected = distribution(value)
        distance = max(distance, expected - index / count, (index + 1) / count - expected)
    scaled = (sqrt(count) + 0.12 + 0.11 / sqrt(count)) * distance
    if scaled < 0.2:
        return distance, 1.0  # the series converges slowly there, and is 1 to twelve digits
    terms = ((-1) ** (k - 1) * exp(-2 * k * k * scaled * scaled) for k in range(1, _KOLMOGOROV_TERMS))
    return distance, min(1.0, max(0.0, 2 * fsum(terms)))


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Of the line of least squares through the points."""
    x_mean, y_mean = fsum(xs) / len(xs), fsum(ys) / len(ys)
    top = fsum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return top / fsum((x - x_mean) ** 2 for x in xs)


def compare(
    quantity: str,
    parameters: Mapping[str, Number],
    simulated: float,
    interval: tuple[float, float],
    *,
    published: float | Printed | None,
    tolerance: float,
    grounds: str,
    trials: int,
    seed: int,
    closed_form: float | None = None,
    origin: Origin = "formula",
    source: str = "",
) -> Row:
    """A row that holds if the simulated value is within `tolerance` of the published one and of the closed form.

    A printed figure adds half a unit of its last digit to the tolerance, and the closed form must round to it.
    """
    rounding, value = 0.0, published
    if isinstance(published, Printed):
        rounding, value = published.rounding, published.value
        origin, source = published.origin, published.source
        tolerance += rounding
        grounds += " + the source's rounding" if rounding else ""
    references = [entry for entry in (value, closed_form) if isinstance(entry, (int, float))]
    agrees = all(abs(simulated - reference) <= tolerance for reference in references)
    if rounding and closed_form is not None and isinstance(value, (int, float)):
        agrees = agrees and abs(closed_form - value) <= rounding * (1 + 1e-9)
    return Row(
        quantity=quantity,
        parameters=parameters,
        simulated=simulated,
        low=interval[0],
        high=interval[1],
        published=float(value) if isinstance(value, (int, float)) else None,
        origin=origin if value is not None else "",
        closed_form=closed_form,
        tolerance=tolerance,
        grounds=grounds,
        verdict=(PASS if agrees else FAIL) if references else UNJUDGED,
        trials=trials,
        seed=seed,
        source=source,
    )


def bound(
    quantity: str,
    parameters: Mapping[str, Number],
    simulated: float,
    interval: tuple[float, float],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    tolerance: float,
    grounds: str,
    trials: int,
    seed: int,
    source: str = "",
) -> Row:
    """A row that holds if the simulated value is on the right side of a proven bound, but for `tolerance`."""
    holds = (at_least is None or simulated >= at_least - tolerance) and (
        at_most is None or simulated <= at_most + tolerance
    )
    return Row(
        quantity=quantity,
        parameters=parameters,
        simulated=simulated,
        low=interval[0],
        high=interval[1],
        published=at_least if at_least is not None else at_most,
        origin="bound",
        closed_form=None,
        tolerance=tolerance,
        grounds=grounds,
        verdict=PASS if holds else FAIL,
        trials=trials,
        seed=seed,
        source=source,
    )


def around(value: float, error: float) -> tuple[float, float]:
    """95 % interval of a value with that standard error."""
    return value - 1.96 * error, value + 1.96 * error
