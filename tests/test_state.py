"""The leaf table: round trips, and one error that lists every leaf that does not pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compare.run import state
from compare.run.draw import Leaf


@pytest.mark.parametrize("row", state.LAYOUTS.values())
def test_rows_are_permutations_read_either_way(row):
    left, right = (side.split() for side in row.split("->"))
    assert sorted(left) == sorted(right)
    shape = (2, 3, 4, 5, 6)[: len(left)]
    values = np.arange(np.prod(shape)).reshape(shape)
    moved = state.to_jax(values, row)
    sizes = dict(zip(left, values.shape, strict=True))
    assert moved.shape == tuple(sizes[name] for name in right)
    np.testing.assert_array_equal(state.to_torch(moved, row), values)


def test_rows_put_weights_where_flax_has_them():
    weight = np.arange(24).reshape(4, 3, 2, 1)  # o i h w
    moved = state.to_jax(weight, state.layout("Conv2d", "weight"))
    assert moved.shape == (2, 1, 3, 4)
    assert moved[1, 0, 2, 3] == weight[3, 2, 1, 0]
    assert state.layout("conv2d", "weight") == state.layout("Conv2d", "weight")


@given(st.permutations(["n", "c", "h", "w"]), st.integers(0, 4))
def test_the_channel_axis_goes_last_and_the_others_keep_their_order(names, take):
    names = names[:take]
    left, right = (side.split() for side in state.channels_last(" ".join(names)).split("->"))
    assert left == names
    assert [n for n in right if n != "c"] == [n for n in names if n != "c"]
    assert "c" not in names or right[-1] == "c"


def _leaf(path: str, shape: tuple[int, ...], owner: str = "Linear") -> Leaf:
    return Leaf(path, owner, shape)


def _carry(leaves: dict[str, tuple[int, ...]], slots: dict[str, tuple[int, ...]]):
    arrays = {path: np.zeros(shape) for path, shape in leaves.items()}
    owners = {path: _leaf(path, shape) for path, shape in leaves.items()}
    return state.carry_leaves(arrays, owners, slots)


def test_leaves_that_pair_are_carried():
    carried = _carry(
        {"fc.weight": (3, 4), "fc.bias": (3,)}, {"fc.weight": (4, 3), "fc.bias": (3,)}
    )
    assert carried["fc.weight"].shape == (4, 3)


def test_flax_names_for_the_same_leaves_are_found():
    carried = _carry(
        {"fc.weight": (3, 4), "fc.bias": (3,)}, {"fc.kernel": (4, 3), "fc.bias": (3,)}
    )
    assert set(carried) == {"fc.kernel", "fc.bias"}


def test_one_error_lists_missing_spare_and_misshapen_leaves():
    with pytest.raises(state.TransferError) as caught:
        _carry(
            {"a.weight": (3, 4), "a.bias": (3,), "b.bias": (2,)},
            {"a.weight": (3, 4), "b.bias": (2,), "c.bias": (5,)},
        )
    text = str(caught.value)
    assert "missing on the JAX side: a.bias (3,)" in text
    assert "spare on the JAX side: c.bias (5,)" in text
    assert "misshapen: a.weight is (3, 4) in torch, (4, 3) carried to JAX" in text
    assert "what to do" not in text
    assert "Give both modules the same attribute names" in text


def test_a_counter_may_have_no_partner():
    assert _carry({"num_batches_tracked": ()}, {}) == {}
