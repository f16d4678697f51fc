"""Hypothesis strategies that build inputs over the operating box."""

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


def log_uniform(low: float, high: float) -> st.SearchStrategy[float]:
    """Floats between ``low`` and ``high``, log-uniform, both ends included."""
    return st.floats(np.log(low), np.log(high)).map(lambda x: float(np.clip(np.exp(x), low, high)))


@st.composite
def layer_operands(draw, largest_A: float):
    """Gate voltages (batch, in), weights (out, in), biases (out,), float64, both signs."""
    batch, n_in, n_out = draw(st.integers(1, 3)), draw(st.integers(1, 6)), draw(st.integers(1, 4))
    current = st.tuples(log_uniform(1e-12, largest_A), st.sampled_from([-1.0, 1.0]))
    signed = current.map(lambda pair: pair[0] * pair[1])
    v = draw(hnp.arrays(np.float64, (batch, n_in), elements=st.floats(1.7, 2.5)))
    w = draw(hnp.arrays(np.float64, (n_out, n_in), elements=signed))
    bias = draw(hnp.arrays(np.float64, (n_out,), elements=signed))
    return torch.from_numpy(v), torch.from_numpy(w), torch.from_numpy(bias)
