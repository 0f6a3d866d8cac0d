"""All measures of one set of predictions, and why one is missing."""

from __future__ import annotations

from numpy.typing import ArrayLike

from mmqpt.core.errors import InputError
from mmqpt.evaluation.statistics.correlation import check_scores, krcc, plcc, rmse, srcc
from mmqpt.evaluation.statistics.logistic import fit_logistic4, fit_logistic5

RAW = {'SRCC': srcc, 'KRCC': krcc, 'PLCC': plcc, 'RMSE': rmse}
FITTED = {4: fit_logistic4, 5: fit_logistic5}
LOWER_IS_BETTER = ('RMSE', 'RMSE4', 'RMSE5')
COMPARED = ('SRCC', 'PLCC')
"""Measures in which models are compared."""


def measures(predicted: ArrayLike, mos: ArrayLike) -> tuple[dict[str, float], list[str]]:
    """SRCC, KRCC, PLCC and RMSE of the predictions as they are, PLCC and RMSE after the logistic fits.

    Args:
        predicted: N predictions, higher is better.
        mos: N opinion scores.

    Returns:
        Values under the names SRCC, KRCC, PLCC, PLCC4, PLCC5, RMSE, RMSE4 and RMSE5, and notes. A figure that
        can't be computed (fewer than 3 photos, constant predictions, a fit that failed) is absent; a note says why.

    Raises:
        InputError: the two differ in length, or hold values that are not finite.
    """
    x, y = check_scores(predicted, mos, constant=True, least=0)
    values: dict[str, float] = {}
    missing: dict[str, list[str]] = {}
    for name, function in RAW.items():
        try:
            values[name] = function(x, y)
        except InputError as error:
            missing.setdefault(str(error), []).append(name)
    notes = [f'{", ".join(names)} left out: {reason}' for reason, names in missing.items()]
    if 'PLCC' in values:
        for count, fit in FITTED.items():
            try:
                mapped = fit(x, y)(x)
                values |= {f'PLCC{count}': plcc(mapped, y), f'RMSE{count}': rmse(mapped, y)}
            except InputError as error:
                notes.append(f'{count}-parameter logistic fit failed ({error}): see the raw PLCC')
        if values['SRCC'] < 0:
            notes.append(
                f'predictions fall as MOS rises (SRCC {values["SRCC"]:.3f}): the logistic curves fall, too, so that '
                f'PLCC4 and PLCC5 are positive'
            )
    order = ('SRCC', 'KRCC', 'PLCC', 'PLCC4', 'PLCC5', 'RMSE', 'RMSE4', 'RMSE5')
    return {name: values[name] for name in order if name in values}, notes
