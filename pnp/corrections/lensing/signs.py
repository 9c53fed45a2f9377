"""Signs of ellipticities that fit the data."""

from operators import LensingConvention, shear_signs

from ...io.measurement import Measurement

__all__ = ["checked_signs"]


def checked_signs(measured: Measurement) -> Measurement:
    """The measurement with the signs of gamma1 and gamma2 that make E modes, and peaks of masses
    (:func:`operators.shear_signs`, which warns where the map does not tell).

    Raises:
        TypeError, ValueError: the measurement is not one of shear.
    """
    old = measured.arguments.get("convention")
    x_axis = old.x_axis if isinstance(old, LensingConvention) else "columns"
    found = shear_signs(measured.y, mask=measured.arguments.get("mask"), x_axis=x_axis)
    base = old if isinstance(old, LensingConvention) else LensingConvention(x_axis=x_axis)
    said = f"signs {found.sign}, E over B modes by {found.excess:.1f} sigma ({found.other:.1f} with the other)"
    return measured.changed(said, arguments={**measured.arguments, "convention": base._replace(sign=found.sign)})
