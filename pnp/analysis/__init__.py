"""What is known of a reconstruction without its truth: how strong the prior should be."""

from .denoiser import DenoiserChoice as DenoiserChoice
from .denoiser import choose_denoiser as choose_denoiser
from .strength import StrengthChoice as StrengthChoice
from .strength import choose_strength as choose_strength

__all__ = ["DenoiserChoice", "StrengthChoice", "choose_denoiser", "choose_strength"]
