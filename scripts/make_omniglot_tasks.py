"""Make the data of the update-rule searches ``from_adamw`` and ``from_empty`` from Omniglot.

    python scripts/make_omniglot_tasks.py --data omniglot_28.npz --out FOLDER

The file has ``x``, 1623 characters by 20 writers of 28x28 pixels, and the names of the characters'
alphabets in ``class_names`` (split/alphabet/character). FOLDER gets, in 7x7, 14x14 and 28x28
pixels,

``characters_N.npz``: which of 20 characters, 12,000 images; each drawing is turned, sheared,
scaled and moved 30 times at random, as 20 drawings of a character teach little. Held-out examples
are copies of the same drawings.
``alphabets_N.npz``: which of 20 alphabets an image's character is of, 17,720 images; what networks
of this size can't learn well.

The same file, NumPy and SciPy give the same arrays. ``--quick`` makes the smallest ones only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from numpy.typing import NDArray
from scipy import ndimage

CLASSES: Final = 20
COPIES: Final = 30
SIZES: Final = (7, 14, 28)

Images = NDArray[np.uint8]


def characters(x: Images) -> tuple[Images, Images]:
    """Random copies of the drawings of some characters, and which character it is."""
    draws = np.random.default_rng(1)
    chosen = draws.choice(len(x), CLASSES, replace=False)
    drawings = [x[character, writer] for character in chosen for writer in range(x.shape[1])]
    copies = np.array([moved(drawing, draws) for drawing in drawings for _ in range(COPIES)])
    labels = np.repeat(np.arange(CLASSES, dtype=np.uint8), x.shape[1] * COPIES)
    order = draws.permutation(len(copies))
    return (255 * copies / copies.max()).round().astype(np.uint8)[order], labels[order]


def moved(drawing: Images, draws: np.random.Generator) -> NDArray[np.float64]:
    """A drawing, blurred, turned, scaled, sheared and moved."""
    angle, scale, shear = (draws.uniform(*ends) for ends in ((-0.3, 0.3), (0.8, 1.2), (-0.2, 0.2)))
    turn = [[np.cos(angle), -np.sin(angle) + shear], [np.sin(angle), np.cos(angle)]]
    matrix = np.array(turn) / scale
    middle = np.full(2, (len(drawing) - 1) / 2)
    offset = middle - matrix @ middle + draws.uniform(-2.5, 2.5, 2)
    blurred = ndimage.gaussian_filter(drawing / drawing.max(), 0.7)
    return np.asarray(ndimage.affine_transform(blurred, matrix, offset=offset, order=1))


def alphabets(x: Images, names: list[str]) -> tuple[Images, Images]:
    """All drawings of the alphabets that have most characters, and which alphabet it is."""
    _, numbers = np.unique([name.split("/")[1] for name in names], return_inverse=True)
    largest = np.argsort(-np.bincount(numbers))[:CLASSES]
    place = {int(number): position for position, number in enumerate(largest)}
    chosen = np.isin(numbers, largest)
    images = x[chosen].reshape(-1, *x.shape[2:])
    labels = np.repeat([place[int(number)] for number in numbers[chosen]], x.shape[1])
    order = np.random.default_rng(0).permutation(len(images))
    scale = 255 if images.max() == 1 else 1
    return (images * scale)[order], labels.astype(np.uint8)[order]


def pooled(images: Images, size: int) -> Images:
    """In fewer pixels: means."""
    side = images.shape[1] // size
    means = images.reshape(-1, size, side, size, side).mean((2, 4))
    return means.round().astype(np.uint8)


def main(arguments: list[str] | None = None) -> int:
    """Write the files; print and write the rows."""
    parser = argument_parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args(arguments)
    with np.load(options.data, allow_pickle=False) as arrays:
        for name in ("x", "class_names"):
            if name not in arrays:
                parser.error(f"--data: {options.data}: expected an array {name}, received none")
        x: Any = arrays["x"]
        names = [str(name) for name in arrays["class_names"]]
    made = {"characters": characters(x), "alphabets": alphabets(x, names)}
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, (images, labels) in made.items():
        for size in SIZES[:1] if options.quick else SIZES:
            path = options.out / f"{name}_{size}.npz"
            np.savez_compressed(path, x=pooled(images, size).reshape(len(images), -1), y=labels)
            rows.append(Row(f"{path.stem}_mb", path.stat().st_size / 1e6, f"{len(images)} images"))
    print(machine_line())
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
