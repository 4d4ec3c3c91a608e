"""Every threshold of the judge, for all cases alike. None stands beside a test or a case.

`portbench thresholds` is the experiment behind them: it says how far correct pairs come, how
near planted faults, and how many powers of two of empty room each threshold has on both sides.
"""

from __future__ import annotations

UNIT = {
    "float64": 2.0**-53,
    "float32": 2.0**-24,
    "tf32": 2.0**-11,
    "float16": 2.0**-11,
    "bfloat16": 2.0**-8,
}
"""Unit roundoff: half the distance from 1 to the next number."""

FLOAT64_MARGIN = 2.0**10
"""K64: how many roundings, each amplified as torch's own float32 error shows, count as none."""

ELEMENT_MARGIN = 2.0**12
"""How many of its own roundings one element may be off: amid the empty room. Of 5,385 random
correct comparisons none passed 9, and the nearest planted fault (masked by -20) is at 2^24."""

CARE_BITS = 5.0
"""Bits that a float32 result may lose beyond what torch loses."""

CARE_FLOOR = 4 * UNIT["float32"]
"""Errors below this are the last bits of any float32 computation; below it nothing is lost."""

PARTING = 2.0**5
"""How many times farther apart than twins two float32 trainings may be and be called alike."""
