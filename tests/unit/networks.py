"""Networks for tests: random, programmable, of any published shape."""

import torch

from ohmbench.floatgate import FGNetwork, NetworkSpec


def random_network(
    spec: NetworkSpec, *, seed: int, dtype: torch.dtype = torch.float32
) -> FGNetwork:
    """Currents log-uniform from 1 nA to 1 uA with random signs, projected as the spec requires."""
    generator = torch.Generator().manual_seed(seed)
    weights, biases = [], []
    for k in range(len(spec.activations)):
        drawn = []
        for shape in ((spec.sizes[k + 1], spec.sizes[k]), (spec.sizes[k + 1],)):
            magnitude = 10.0 ** (-9 + 3 * torch.rand(shape, dtype=dtype, generator=generator))
            sign = torch.randint(0, 2, shape, generator=generator) * 2 - 1
            drawn.append(spec.programmable(k).project(magnitude * sign))
        weights.append(drawn[0])
        biases.append(drawn[1])
    return FGNetwork(spec, weights, biases)
