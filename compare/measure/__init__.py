"""Stage 4: time, memory, and the knobs that a figure depends on.

`portbench bench` in a straight line; no step knows of those after it, and the parent imports
no framework:

    workloads.py    what is run: a Case or a Training with its shapes, counted by flops.py
    arms.py         how it is run: side, mode, knobs; the environment of its process
       |
    workers.py      one process an arm: spawned, asked, timed out, killed; none outlives the
                    parent. worker.py is its other end
    torch_arm.py    a workload and an arm become a Prepared: launch a step, wait for it, show
    torch_step.py   the agreement's arrays. Inputs are resident, state donated, nothing of ours
    jax_arm.py      stands in the timed loop but the loop. compare/port/bench*.py has the steps
    jax_step.py     of a user's own pair
       |
    prepare.py      all arms start together, compile some at a time, are checked one by one;
                    room.py, as many at once as memory holds, groups.py, in groups if need be
    agreement.py    outputs, gradients and weights after a step against torch's float64, within
                    what one ulp in the givens explains; an arm that fails is not timed
       |
    course.py       the plan, and what became of each arm so far
    rounds.py       warm-up until flat; then rounds A B C, C B A of blocks of k steps, each
                    synchronised once, in an order drawn anew; a canary between rounds; until
                    every ratio's interval is narrow enough or the budget ends
    timing.py       a block, and what shows that a synchronisation is missing
       |
    knobs.py        what each worker read of its own switches; what matched arms must share
    statistics.py   samples to a ratio, its interval, and faster, slower or undecided;
                    calibration.py tries it on traces.py, beside other intervals.py
    ceilings.py     what the device reaches on a matrix product and on a copy, in the same run
       |
    figures.py      a row an arm: the ratio, percentiles, rates, compile times, memory; plain
                    data that a JSON file holds and that merge across machines
       |
    session.py      many workloads into one file, going on from there; compare/bench_gpu.py
       |            does all of an accelerator by it, in calls of limited length
    compare/report/bench*.py   the rows as Markdown and as a page; difference.py, what changed
                    from one file to a later one

A figure is of one workload, precision, device and arm. What went wrong (a worker that died,
hung, ran out of memory, did not agree, did not wait) is that arm's row, in words, and the
others go on. On a CPU an arm has one thread and is timed in CPU time, with the wall's beside
it: wall ratios of several threads turn around on a loaded machine. The three columns: *as
shipped*, each framework's defaults; *matched*, where no knob of the pair differs, else refused
with the list; *best effort*, the fastest arm of each side.

By themselves stand layers.py (our layers against plain Flax's) and bert.py (Hugging Face's BERT
against ours): paired.py times callables of one process in turns, where all is JAX, or a Trainer
with its own loop.
"""
