import numpy as np
import pytest

from stackml.foundation.digest import digest


def test_equal_content_has_equal_digest():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert digest("a", 1, {"x": [1, None]}, array) == digest("a", 1, {"x": [1, None]}, array.copy(order="F"))


@pytest.mark.parametrize(
    "other",
    [
        np.arange(6, dtype=np.float64).reshape(2, 3),
        np.arange(6, dtype=np.float32).reshape(3, 2),
        np.arange(1, 7, dtype=np.float32).reshape(2, 3),
    ],
    ids=["dtype", "shape", "values"],
)
def test_arrays_differ_by_dtype_shape_and_values(other):
    assert digest(np.arange(6, dtype=np.float32).reshape(2, 3)) != digest(other)


def test_neighbouring_parts_do_not_run_together():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest([1], [2]) != digest([1, 2])


def test_objects_without_stable_bytes_are_refused():
    with pytest.raises(TypeError, match="object arrays have no stable bytes"):
        digest(np.array(["a", None], dtype=object))
    with pytest.raises(TypeError, match="cannot digest a set"):
        digest({1, 2})
