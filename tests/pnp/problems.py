"""Every operator, small, with an image and data: the table that solver tests run over."""

import torch
from torch import Tensor

from operators import (
    MRI,
    Blur,
    Downsampling,
    Identity,
    Inpainting,
    LinearOperator,
    as_operator,
    gaussian_kernel,
    gaussian_noise,
    random_columns,
    random_mask,
    stack,
)

SIZE = 24
NOISE = 0.03


class MaskedFourier(LinearOperator):
    """Everything derived from ``A``: half the Fourier samples of a real image."""

    def __init__(self) -> None:
        super().__init__()
        self.in_shape = (1, SIZE, SIZE)

    def A(self, x: Tensor) -> Tensor:
        return torch.fft.fft2(x, norm="ortho")[..., : SIZE // 4 * 3]


def coil_maps() -> Tensor:
    """Two smooth coils whose squares sum to one."""
    angle = torch.linspace(0.2, 1.3, SIZE).expand(SIZE, SIZE)
    return torch.stack((angle.cos() + 0j, angle.sin() * torch.exp(1j * angle)))


def operators() -> dict[str, LinearOperator]:
    """One of each kind."""
    shape = (SIZE, SIZE)
    blur = Blur(gaussian_kernel(1.0), shape)
    columns = random_columns(shape, 2.0, 0.2)
    return {
        "identity": Identity(shape),
        "inpainting": Inpainting(random_mask(shape, 0.5)),
        "colour inpainting": Inpainting(random_mask(shape, 0.5), channels=3),
        "blur": blur,
        "blur with zeros around": Blur(gaussian_kernel(1.0), shape, boundary="zero"),
        "downsampling": Downsampling(2, shape),
        "averaging": Downsampling(2, shape, filter="average"),
        "mri": MRI(columns),
        "mri with coils": MRI(columns, coil_maps()),
        "derived": MaskedFourier(),
        "product": Inpainting(random_mask(shape, 0.7)) @ blur,
        "stack": stack(blur, 0.5 * Identity(shape)),
        "function": as_operator(lambda x: x.cumsum(-1) / SIZE, in_shape=(1, *shape)),
    }


def image(op: LinearOperator, batch: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    """Discs on a ramp, of the operator's kind; every sample has discs of its own."""
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, SIZE, dtype=dtype)] * 2, indexing="ij")
    samples = []
    for b in range(batch):
        disc = ((rows - 0.2 * b) ** 2 + columns**2 < 0.4 + 0.1 * b).to(dtype)
        samples.append((0.2 + 0.1 * rows + 0.6 * disc).expand(op.in_shape))
    x = torch.stack(samples)
    return x * torch.exp(1j * rows) if op.in_dtype.is_complex else x


def data(op: LinearOperator, x: Tensor) -> Tensor:
    """Noisy data; nothing where nothing was measured."""
    y = op.A(x)
    return torch.where(y == 0, y, gaussian_noise(y, NOISE))
