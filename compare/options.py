"""Options that several commands have, declared once: alike in name, bounds and words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option(help="Folder of the results; made if need be.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every array that is drawn.")]
Jobs = Annotated[int, typer.Option(min=1, help="Worker processes.")]
Limit = Annotated[float, typer.Option(min=1, help="Seconds that one piece may take.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from --out's results.")]
