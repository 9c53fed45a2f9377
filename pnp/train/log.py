"""What a training leaves behind beside its weights: a table of its course, pictures, TensorBoard's files on request."""

import csv
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from denoisers.weights.writing import written

__all__ = ["TrainingLog", "save_picture"]


class TrainingLog:
    """A CSV table, one row a report; rows after ``step`` are dropped, since a resumed training repeats them.

    Args:
        path: of the table; pictures go beside it, as NAME-STEP.png.
        step: at which the training begins.
        tensorboard: folder for TensorBoard's files; ``None``: none.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "run.csv"
    >>> log = TrainingLog(path)
    >>> log.write(1, loss=0.5), log.write(2, loss=0.25)
    (None, None)
    >>> TrainingLog(path, step=1).write(2, loss=0.3)
    >>> path.read_text().split()
    ['step,loss', '1,0.5', '2,0.3']
    """

    def __init__(self, path: str | Path, *, step: int = 0, tensorboard: str | Path | None = None) -> None:
        self.path, self.rows = Path(path), []
        if self.path.exists():
            with open(self.path, newline="") as file:
                self.rows = [row for row in csv.DictReader(file) if row["step"].isdigit() and int(row["step"]) <= step]
        self.board: Any = None
        if tensorboard is not None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise ImportError("TensorBoard's files need tensorboard: pip install tensorboard") from error
            self.board = SummaryWriter(str(tensorboard), purge_step=step + 1)

    def write(self, step: int, **values: float) -> None:
        """Add a row; the table on disk is the old or the new one, whole."""
        self.rows.append({"step": step, **{name: f"{value:.6g}" for name, value in values.items()}})
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        with written(self.path) as partial, open(partial, "w", newline="") as file:
            writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)
            self.board.flush()

    def picture(self, step: int, images: list[Tensor]) -> None:
        """Images (C, H, W) side by side, on the scale of the last."""
        save_picture(self.path.with_name(f"{self.path.stem}-{step}.png"), images)


def save_picture(path: str | Path, images: list[Tensor]) -> None:
    """Images (C, H, W) of one height side by side as a PNG; the last one's extremes are black and white."""
    from PIL import Image

    last = images[-1]
    low, high = last.amin(), last.amax()
    shown = [((x - low) / (high - low).clamp_min(1e-12)).clamp(0, 1) for x in images]
    row = (torch.cat([x.expand(3, -1, -1) for x in shown], -1) * 255).round().to(torch.uint8)
    with written(path) as partial:
        Image.fromarray(row.permute(1, 2, 0).cpu().numpy()).save(partial, format="png")
