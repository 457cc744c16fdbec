"""Unrolled solvers: sparse codes after 16 layers, the safeguard, images by plug-and-play.

    python scripts/measure_unrolled.py --quick
    python scripts/measure_unrolled.py --folder unrolled-runs --json unrolled.json
    python scripts/measure_unrolled.py --folder unrolled-runs --only alista-5min --only cpss

Resumable: with ``--folder`` each method keeps a checkpoint after every phase of every layer, and
the same command goes on. ``--finished`` trains nothing and prints what the folder holds.

``alista_250_500_db_5min`` is the NMSE in dB of ALISTA on 1,000 new problems with 250 measurements
of 500 codes, without noise; ``_20min`` the same with four times the iterations. ``_without_worst``
leaves one of the 1,000 out, the one with the largest error.
``*_cpu_minutes`` is the processor time of the training with one thread, validation included.
``METHOD_256_512_db`` is without noise, ``METHOD_256_512_snr20_db`` with noise at 20 dB. Targets
are the published values of the methods plus 3 dB. All trainings choose their weights by 1,000
validation problems and are tested on 1,000 others.

``safeguard_excess`` is the largest relative excess, over 200 problems that differ from those of the
training, of the LASSO objective of the safeguarded ALISTA over that of FISTA, both after 1,000
iterations.

``pnp_blur_gain_db`` is how much higher the PSNR of plug-and-play ADMM is than that of the inverse
filter, on 297 digits of 8 x 8 pixels that the denoiser was not trained on, after a blur by
[1 6 1]/8 in both directions and noise of 0.05; ``pnp_sensing_gain_db`` the same against least
squares, from 32 random projections and noise of 0.01 (where no theorem guarantees convergence).
``*_change`` is the last change of the iterates over the first.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path

import torch
from _common import Row, argument_parser, machine_line, print_rows, write_json

from automl_zero.evolution.runs._files import write_atomically
from l2o.unrolled import (
    ALISTA,
    GLISTA,
    LAMP,
    LISTA,
    LISTACP,
    LISTACPSS,
    TISTA,
    Denoiser,
    PlugAndPlayADMM,
    SparseCoding,
    TrainingProgress,
    UnrolledSolver,
    blur_operator,
    fista,
    nmse_db,
    safeguarded,
    train_denoiser,
    train_layerwise,
)

CLASSES: dict[str, type[UnrolledSolver]] = {
    "alista": ALISTA,
    "tista": TISTA,
    "cpss": LISTACPSS,
    "lista": LISTA,
    "cp": LISTACP,
    "lamp": LAMP,
    "glista": GLISTA,
}
# Published NMSE at (256, 512), 16 layers: without noise, and with noise at 20 dB.
PUBLISHED = {
    "lista": (-35.0, -18.5),
    "cp": (-30.0, -15.0),
    "cpss": (-63.0, -20.0),
    "lamp": (-55.0, -16.0),
    "alista": (-79.0, -20.0),
    "glista": (-55.0, -22.0),
}
# Iterations of a phase, and of the training of 250 x 500.
ITERATIONS = {"5min": 300, "20min": 1200}
PARTS = ("alista-5min", "alista-20min", *CLASSES, "safeguard", "images")


def train(
    name: str,
    solver: UnrolledSolver,
    problem: SparseCoding,
    iterations: int,
    options: argparse.Namespace,
    patience: int = 5,
) -> float | None:
    """Train a solver, or go on, or take the finished one; processor minutes, None if unfinished."""
    folder = None if options.folder is None else options.folder / f"{name}-{iterations}"
    clock = None if folder is None else folder / "cpu_seconds.json"
    before = float(json.loads(clock.read_text())) if clock and clock.exists() else 0.0
    if options.finished and (folder is None or not (folder / "done").exists()):
        return None
    begun = time.process_time()

    def show(state: TrainingProgress) -> None:
        seconds = before + time.process_time() - begun
        if clock is not None:
            write_atomically(clock, json.dumps(seconds))
        print(f"  {name}: {state}, {seconds / 60:.1f} CPU minutes", flush=True)

    result = train_layerwise(
        solver,
        problem,
        iterations=iterations,
        scalar_lr=0.05 if isinstance(solver, ALISTA | TISTA) else 0.01,
        validate_every=50,
        patience=patience,
        folder=folder,
        progress=show,
    )
    if result.stopped_by != "layers":
        raise RuntimeError(f"{name}: training diverged after layer {result.layers}")
    spent = before if folder and (folder / "done").exists() else None
    if folder is not None:
        write_atomically(folder / "done", "")
    return (before + time.process_time() - begun if spent is None else spent) / 60


def tested(solver: UnrolledSolver, problem: SparseCoding, left_out: int = 0) -> float:
    """NMSE on new problems, but for those with the largest errors."""
    y, x = problem.sample(1000, "test")
    with torch.no_grad():
        codes = solver(y)[-1]
    kept = (codes - x).square().sum(1).argsort()[: len(x) - left_out]
    return nmse_db(codes[kept], x[kept])


def alista_rows(kind: str, options: argparse.Namespace) -> list[Row]:
    """ALISTA within a time."""
    problem = SparseCoding(250, 500)
    iterations = 40 if options.quick else ITERATIONS[kind]
    solver = ALISTA(problem.dictionary, 4 if options.quick else 16)
    # Phases of two numbers a layer settle within 100 iterations.
    minutes = train(f"alista-{kind}", solver, problem, iterations, options, patience=3)
    if minutes is None:
        return []
    targets = ("<= -60", "<= 5") if kind == "5min" else ("<= -75", "<= 20")
    score, spent = (None, None) if options.quick else targets
    name = f"alista_250_500_db_{kind}"
    return [
        Row(name, tested(solver, problem), f"dB, {solver.layers} layers", score),
        Row(f"{name}_without_worst", tested(solver, problem, left_out=1), "dB"),
        Row(f"{name}_cpu_minutes", minutes, "min", spent),
    ]


def table_rows(method: str, options: argparse.Namespace) -> list[Row]:
    """A method without noise and with it."""
    rows = []
    for place, snr in enumerate((None, 20.0)):
        problem = SparseCoding(256, 512, snr_db=snr)
        layers = 2 if options.quick else 16
        if method == "tista":
            solver: UnrolledSolver = TISTA(problem.dictionary, layers, noise_std=problem.noise_std)
        else:
            solver = CLASSES[method](problem.dictionary, layers)
        name = f"{method}_256_512{'' if snr is None else '_snr20'}"
        iterations = 30 if options.quick else options.iterations
        minutes = train(name, solver, problem, iterations, options)
        if minutes is None:
            continue
        target = None
        if method in PUBLISHED and not options.quick:
            target = f"<= {PUBLISHED[method][place] + 3:g}"
        rows.append(Row(f"{name}_db", tested(solver, problem), f"dB, {layers} layers", target))
        rows.append(Row(f"{name}_cpu_minutes", minutes, "min"))
    return rows


def safeguard_rows(options: argparse.Namespace) -> list[Row]:
    """The safeguarded ALISTA against FISTA, on codes like those of the training and on denser."""
    rows: list[Row] = []
    penalty, steps = 0.1, 100 if options.quick else 1000
    trained_on = SparseCoding(250, 500)
    solver = ALISTA(trained_on.dictionary, 4 if options.quick else 16)
    iterations = 40 if options.quick else ITERATIONS["5min"]
    if train("alista-5min", solver, trained_on, iterations, options, patience=3) is None:
        return rows
    solver.double()
    for density in (0.1, 0.3):
        problem = SparseCoding(
            250, 500, density=density, dtype=torch.float64, dictionary=solver.dictionary
        )
        y, _ = problem.sample(20 if options.quick else 200, "test")
        ours = safeguarded(solver, y, penalty, iterations=steps)
        plain = fista(solver.dictionary, y, penalty, iterations=steps)
        excess = (ours.objective - plain.objective) / plain.objective
        target = "<= 0"
        rows.append(Row(f"safeguard_excess_density_{density:g}", float(excess.max()), "", target))
        rows.append(Row(f"safeguard_learned_{density:g}", ours.learned_share, "of steps"))
    return rows


def psnr(images: torch.Tensor, clean: torch.Tensor) -> float:
    """Peak signal to noise ratio in dB, for a peak of 1."""
    return -10 * math.log10(float((images.reshape(clean.shape) - clean).square().mean()))


def image_rows(quick: bool) -> list[Row]:
    """Plug-and-play ADMM on digits, against least squares."""
    from sklearn.datasets import load_digits

    images = torch.tensor(load_digits().images / 16, dtype=torch.float32)
    clean = images[1500:]
    denoiser = Denoiser((8, 8))
    train_denoiser(denoiser, images[:1500], iterations=30 if quick else 1500)
    generator = torch.Generator().manual_seed(1)
    kernel = torch.tensor([1.0, 6.0, 1.0]) / 8
    blur = blur_operator(kernel[:, None] * kernel, (8, 8))
    sensing = torch.randn(32, 64, generator=generator) / 32**0.5
    rows = []
    for name, operator, noise, alpha in (
        ("pnp_blur", blur, 0.05, None),
        ("pnp_sensing", sensing, 0.01, 1.0),
    ):
        measured = clean.reshape(-1, 64) @ operator.T
        measured = measured + noise * torch.randn(measured.shape, generator=generator)
        solver = PlugAndPlayADMM(operator, denoiser, alpha=alpha, check=alpha is None)
        result = solver.solve(measured, iterations=300)
        plain = psnr(measured @ torch.linalg.pinv(operator).T, clean)
        gain = psnr(result.images, clean) - plain
        change = float(result.changes[-1] / result.changes[0])
        target = None if quick else "> 0"
        rows.append(Row(f"{name}_gain_db", gain, f"dB over {plain:.2f}", target))
        rows.append(Row(f"{name}_change", change, "", "<= 1e-9" if solver.guaranteed else None))
        rows.append(Row(f"{name}_least_alpha", solver.least_alpha, ""))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; may be repeated")
    parser.add_argument("--folder", type=Path, help="where to keep checkpoints, to go on from")
    parser.add_argument("--finished", action="store_true", help="no training: what is there")
    parser.add_argument("--iterations", type=int, default=1000, help="the most of a phase (1,000)")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (1)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    print(machine_line())
    print(f"settings: PyTorch {torch.__version__}, {options.threads} threads")
    rows: list[Row] = []
    for part in options.only or PARTS:
        if part.startswith("alista-"):
            rows += alista_rows(part.removeprefix("alista-"), options)
        elif part == "images":
            rows += image_rows(options.quick)
        elif part == "safeguard":
            rows += safeguard_rows(options)
        else:
            rows += table_rows(part, options)
        write_json(rows, options.json)
    print_rows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
