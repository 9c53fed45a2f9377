"""Which of the shipped priors solvers take where the user names none."""

from ..base import Denoiser
from ..wrappers.bounded import Bounded
from .drunet import DRUNetDenoiser, shipped_weights
from .lofi import LoFiDenoiser
from .mass import MassDenoiser

__all__ = ["default_denoiser"]

_FIELDS = ("natural", "ct", "mri", "radio", "kappa")


def default_denoiser(field: str = "natural", channels: int = 1, *, complex: bool = False) -> Denoiser:
    """The shipped prior that ``docs/priors.md`` measures as the best for images of a ``field`` and number of channels.

    Args:
        field: ``"natural"``, ``"ct"``, ``"mri"``, ``"radio"``, ``"kappa"`` (convergence maps of pixels of 0.29 arcmin).
        channels: of the image; other numbers than 3 are done channel by channel.
        complex: images are complex. Real skies are not negative, and their prior says so (:class:`denoisers.Bounded`):
            without that, sources a hundred times as bright as the rest make solvers ring.

    Raises:
        ValueError: there is no such field.

    >>> default_denoiser("kappa").own_units
    True
    """
    if field not in _FIELDS:
        raise ValueError(f"field: expected one of {', '.join(_FIELDS)}, got {field!r}")
    if field == "kappa":
        return MassDenoiser()
    natural = "natural-rgb" if field == "natural" and channels == 3 else "natural-gray"
    of_field = field != "natural" and not (field == "radio" and complex)  # trained on skies that are not negative
    for name in (field, natural) if of_field else (natural,):
        if shipped_weights(name):
            prior: Denoiser = DRUNetDenoiser(name)
            break
    else:
        prior = LoFiDenoiser(natural)
    return Bounded(prior, low=0.0, slack=0.25) if field == "radio" and not complex else prior
