"""Images to train and validate on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_zero._config_values import number
from automl_zero.streams import Stream, stream_key

_FIELDS = ("x_train", "y_train", "x_valid", "y_valid")


@dataclass(frozen=True, slots=True)
class ImageData:
    """Images and labels to train on, and others to validate on.

    Args:
        x_train: Images, shape ``[N, channels, height, width]``; taken as float32.
        y_train: Labels 0, 1, ..., shape ``[N]``; taken as int64.
        x_valid: Images of the same size, shape ``[M, channels, height, width]``.
        y_valid: Their labels, shape ``[M]``.

    Raises:
        ValueError: If shapes do not fit, images are not finite or labels no classes.

    >>> data = ImageData.digits()
    >>> data.x_train.shape, data.x_valid.shape, data.classes
    ((1198, 1, 8, 8), (599, 1, 8, 8), 10)
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_valid: NDArray[np.float32]
    y_valid: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in ("x_train", "x_valid"):
            images = np.asarray(getattr(self, name), dtype=np.float32)
            if images.ndim != 4 or 0 in images.shape:
                raise ValueError(
                    f"{name}: expected shape [N, channels, height, width], received {images.shape}"
                )
            if images.shape[1:] != np.shape(self.x_train)[1:]:
                raise ValueError(
                    f"{name}: expected images {np.shape(self.x_train)[1:]} as in x_train, "
                    f"received {images.shape[1:]}"
                )
            if not np.isfinite(images).all():
                raise ValueError(f"{name}: expected finite numbers, received others too")
            object.__setattr__(self, name, images)
            self._take_labels(name.replace("x", "y", 1), len(images))
        if self.y_valid.max() > self.y_train.max():
            raise ValueError(
                f"y_valid: expected labels up to {self.y_train.max()} as in y_train, received "
                f"{self.y_valid.max()}"
            )

    def _take_labels(self, name: str, count: int) -> None:
        labels = np.asarray(getattr(self, name))
        if labels.shape != (count,):
            raise ValueError(f"{name}: expected shape ({count},), received {labels.shape}")
        if labels.dtype.kind not in "iu" or labels.min() < 0:
            raise ValueError(f"{name}: expected labels 0, 1, ..., received others")
        object.__setattr__(self, name, labels.astype(np.int64))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.x_train.shape[1:]
        return channels, height, width

    @property
    def classes(self) -> int:
        """How many there are: one more than the largest label."""
        return int(self.y_train.max()) + 1

    def standardized(self) -> ImageData:
        """With the mean 0 and the deviation 1 in each channel of the training images."""
        mean = self.x_train.mean((0, 2, 3), keepdims=True, dtype=np.float64)
        deviation = self.x_train.std((0, 2, 3), keepdims=True, dtype=np.float64)
        scale = np.where(deviation > 0, deviation, 1.0)
        x_train, x_valid = (
            ((x - mean) / scale).astype(np.float32) for x in (self.x_train, self.x_valid)
        )
        return ImageData(x_train, self.y_train, x_valid, self.y_valid)

    @classmethod
    def split(cls, images: Any, labels: Any, *, valid: float = 1 / 3, seed: int = 0) -> ImageData:
        """A random part of the images to validate on, the rest to train on.

        Args:
            images: Shape ``[N, channels, height, width]``.
            labels: Shape ``[N]``.
            valid: Share to validate on.
            seed: Of the split.

        Raises:
            ValueError: If a part would be empty, or as for the class.
        """
        number("valid", valid, 0.0, 1.0)
        images, labels = np.asarray(images), np.asarray(labels)
        count = round(valid * len(images))
        order = Stream(stream_key(seed, "image_data", "split")).permutation(len(images))
        held, rest = order[:count], order[count:]
        return cls(images[rest], labels[rest], images[held], labels[held])

    @classmethod
    def digits(cls, seed: int = 0) -> ImageData:
        """The 1,797 handwritten digits of scikit-learn, 8x8, a third of them to validate on.

        Raises:
            ImportError: Without scikit-learn.
        """
        try:
            from sklearn.datasets import load_digits
        except ModuleNotFoundError:
            advice = "pip install 'automl-zero[sklearn]'"
            raise ImportError(f"ImageData.digits needs scikit-learn: {advice}") from None
        images, labels = load_digits(return_X_y=True)
        return cls.split(images.reshape(-1, 1, 8, 8) / 16.0, labels, seed=seed)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ImageData:
        """The arrays ``x_train``, ``y_train``, ``x_valid``, ``y_valid`` of an ``.npz`` file.

        Raises:
            ValueError: If it is no such file; names it.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = [file[name] for name in _FIELDS]
            return cls(*arrays)
        except FileNotFoundError:
            raise
        except KeyError as error:
            raise ValueError(f"{path}: expected arrays {', '.join(_FIELDS)}: {error}") from None
        except Exception as error:  # whatever a damaged archive makes of NumPy
            raise ValueError(f"{path}: expected a NumPy archive of images: {error}") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what :meth:`load` reads."""
        np.savez_compressed(path, **{name: getattr(self, name) for name in _FIELDS})
