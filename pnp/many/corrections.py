"""Corrections of measured data by name, as command lines and files of settings give them."""

from collections.abc import Callable

from ..io import Measurement

__all__ = ["CORRECTIONS", "correction"]


def _centre(m: Measurement) -> Measurement:
    from ..corrections.ct import centred

    return centred(m)


def _stripes(m: Measurement) -> Measurement:
    from ..corrections.ct import remove_stripes

    return m.changed("stripes removed", y=remove_stripes(m.y))


def _whiten(m: Measurement) -> Measurement:
    from ..corrections.mri import border_samples, noise_covariance, whiten

    return whiten(m, noise_covariance(border_samples(m.y)))


def _outliers(m: Measurement) -> Measurement:
    from ..corrections.radio import flag_outliers

    return flag_outliers(m)  # pyright: ignore[reportArgumentType]


def _weights(m: Measurement) -> Measurement:
    from ..corrections.radio import noise_from_data

    return noise_from_data(m)  # pyright: ignore[reportArgumentType]


CORRECTIONS: dict[str, Callable[[Measurement], Measurement]] = {
    "centre": _centre, "stripes": _stripes, "whiten": _whiten, "outliers": _outliers, "weights": _weights,
}  # fmt: skip


def correction(name: str) -> Callable[[Measurement], Measurement]:
    """The correction of a name: CT's ``"centre"`` of rotation and ``"stripes"``, MRI's ``"whiten"`` by the border of
    k-space, radio's ``"outliers"``, and relative ``"weights"`` of it made absolute.

    Raises:
        ValueError: there is none; or, when it is applied, the data are of another field.
    """
    if name not in CORRECTIONS:
        raise ValueError(f"correct: expected some of {', '.join(CORRECTIONS)}, got {name!r}")

    def apply(m: Measurement) -> Measurement:
        try:
            return CORRECTIONS[name](m)
        except (AttributeError, TypeError) as error:
            raise ValueError(f"correct: {name} does not fit data of {m.kind}: {error}") from error

    return apply
