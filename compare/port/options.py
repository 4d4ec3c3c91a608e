"""What names a user's own pair on the command line: alike for check, convert and bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Torch = Annotated[
    str, typer.Option(help="package.module:name of the nn.Module, or of what makes it.")
]
Jax = Annotated[
    str,
    typer.Option(
        help="package.module:name of the port, or of what makes it: an nnx.Module, (Linen "
        "module, variables), an Equinox module, or (function, parameters)."
    ),
]
Inputs = Annotated[
    str,
    typer.Option(
        help="torch's arguments: shapes such as float32[2,3,32,32], int64[2,16]<100, by "
        "name x=float32[2,3]; a .npz or .safetensors file of named ones; or "
        "package.module:name of them, or of what makes them."
    ),
]
OwnTorch = Annotated[
    str, typer.Option("--torch", help="Your own pair's nn.Module, as for check.")
]
OwnJax = Annotated[str, typer.Option("--jax", help="Its port, as for check.")]
OwnInputs = Annotated[str, typer.Option("--inputs", help="torch's arguments, as for check.")]
Train = Annotated[bool, typer.Option("--train", help="In train mode; else evaluation.")]
MapFile = Annotated[
    Path | None, typer.Option("--map", help="The table of leaves, as --save-map writes it.")
]
SaveMap = Annotated[Path | None, typer.Option(help="Write the table of leaves to this file.")]
Layout = Annotated[
    str, typer.Option(help="How images lie on the JAX side: NHWC or NCHW; else it is tried.")
]
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--output", help="An output to compare, repeatable; torch's=JAX's where names differ."
    ),
]
JaxInputs = Annotated[
    str, typer.Option(help="Names of torch's inputs in the order of JAX's, with commas.")
]
Optimizers = Annotated[
    str,
    typer.Option(
        help="package.module:name of a pair: what makes torch's of parameters, alone or "
        "with a scheduler, and optax's."
    ),
]
Losses = Annotated[
    str,
    typer.Option(
        help="package.module:name of a pair: torch's and JAX's loss of the outputs, and of "
        "a batch's targets."
    ),
]
Batches = Annotated[
    str,
    typer.Option(
        help="package.module:name of the batches, or of what makes them: (inputs, targets) "
        "a step, as a loader gives them."
    ),
]


def pairs_of(outputs: list[str] | None) -> list[str | tuple[str, ...]] | None:
    """The names of outputs that --output gave, each one or (torch's, JAX's)."""
    return [tuple(o.split("=", 1)) if "=" in o else o for o in outputs or ()] or None
