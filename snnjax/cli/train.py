"""`snnjax train`: train a spiking network on real data."""

import inspect
from pathlib import Path

import click

from snnjax.cli import figures
from snnjax.cli.digits import train_digits
from snnjax.cli.options import (
    OutFile,
    command_line,
    folder,
    plot_option,
    progress_option,
    show_bar,
    table,
)
from snnjax.cli.values import Positive
from snnjax.core.files import save as save_tree
from snnjax.core.provenance import provenance

COUNT = click.IntRange(min=1)
DEFAULT = {n: p.default for n, p in inspect.signature(train_digits).parameters.items()}


@click.group()
def train() -> None:
    """Train a spiking network on real data."""


@train.command()
@click.option(
    "--epochs",
    type=COUNT,
    default=DEFAULT["epochs"],
    show_default=True,
    help="Passes over the data.",
)
@click.option(
    "--hidden",
    type=COUNT,
    default=DEFAULT["hidden"],
    show_default=True,
    help="Neurons in each LIF layer.",
)
@click.option(
    "--steps",
    type=COUNT,
    default=DEFAULT["n_steps"],
    show_default=True,
    help="How long a digit is shown, ms.",
)
@click.option(
    "--code",
    type=click.Choice(["latency", "rate"]),
    default=DEFAULT["code"],
    show_default=True,
    help="Bright pixels spike early, or often.",
)
@click.option(
    "--learning-rate",
    type=Positive(),
    default=DEFAULT["learning_rate"],
    show_default=True,
    help="Of AdamW.",
)
@click.option(
    "--seed",
    type=int,
    default=DEFAULT["seed"],
    show_default=True,
    help="Of the split of the data, the first weights and the order of the batches.",
)
@click.option(
    "--save", type=OutFile(".eqx"), help="Write the network to this .eqx, for snnjax.load."
)
@click.option(
    "--checkpoint",
    type=folder,
    metavar="DIR",
    help="Keep every epoch here; the same command goes on from it if it was interrupted.",
)
@plot_option
@progress_option
def digits(
    epochs: int,
    hidden: int,
    steps: int,
    code: str,
    learning_rate: float,
    seed: int,
    save: Path | None,
    checkpoint: Path | None,
    plot: Path | None,
    progress: bool | None,
) -> None:
    """Train on the 1797 handwritten digits of scikit-learn, by surrogate gradient.

    \b
    Examples:
      snnjax train digits
      snnjax train digits --code latency --hidden 128 --epochs 50 --plot digits.png
      snnjax train digits --seed 1 --save network.eqx

    64 pixels, two layers of LIF neurons, ten leaky integrators. The data are split 60/20/20 by
    the seed; the epoch is chosen on the validation set, and the test set is looked at once.
    """
    result = train_digits(
        seed=seed,
        epochs=epochs,
        hidden=hidden,
        n_steps=steps,
        code=code,
        learning_rate=learning_rate,
        checkpoint=checkpoint,
        progress=show_bar(progress),
    )
    best = result.history.best_epoch
    rows = [
        ("epoch chosen", f"{best + 1} of {epochs}"),
        ("validation accuracy", f"{100 * result.validation_accuracy:.2f} %"),
        ("test accuracy", f"{100 * result.test_accuracy:.2f} %"),
        ("training loss", f"{result.history.loss[best]:.4g}"),
        ("time", f"{result.history.seconds.sum():.1f} s"),
        ("made", provenance(result.network, result.outputs.dtype)),
    ]
    click.echo(table(rows))
    if save is not None:
        save_tree(save, result.network)
        click.echo(f"Network in {save}.")
    if plot is not None:
        curve = figures.room().learning_curve(result.history)
        figures.room().save(curve, plot, about=command_line())
        click.echo(f"Learning curve in {plot}.")
