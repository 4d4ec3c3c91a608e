"""Your own pair: from two models to a verdict, the place, the cause and the line to change."""
