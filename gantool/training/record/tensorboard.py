"""The metrics a second time, for TensorBoard: an extra that is imported only when asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from gantool.errors import UsageError
from gantool.training.record.member import Observer
from gantool.training.record.metrics import Record


class TensorBoardObserver:
    """Writes every record's figures and every sheet to `<run>/tensorboard`, and passes both on to `inner`.

    Raises UsageError where the tensorboard package is missing.
    """

    def __init__(self, folder: Path, inner: Observer) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError(
                "--tensorboard needs the tensorboard package: pip install 'gantool[tensorboard]'."
            ) from error
        self.inner = inner
        self.writer = SummaryWriter(str(folder))

    def on_record(self, record: Record) -> None:
        for name, value in record.figures().items():
            if name != "step":
                self.writer.add_scalar(name, value, record.step)
        self.writer.flush()
        self.inner.on_record(record)

    def on_samples(self, step: int, sheet: Path) -> None:
        with Image.open(sheet) as image:
            self.writer.add_image("samples", np.asarray(image.convert("RGB")), step, dataformats="HWC")
        self.inner.on_samples(step, sheet)

    def on_checkpoint(self, step: int, checkpoint: Path) -> None:
        self.inner.on_checkpoint(step, checkpoint)
