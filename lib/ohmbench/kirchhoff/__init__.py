"""KirchhoffNet: circuits that obey Kirchhoff's current law, integrated as neural ODEs.

KIRCHHOFF in these modules stands for Gao, Sun, Rohrer and Boning, "KirchhoffNet: A scalable ultra
fast analog neural network", ICCAD 2024 (arXiv 2310.15872), and its published artifacts.

Reading order: ``devices`` (an edge), ``topologies`` (which nodes edges join), ``circuit`` (the
current law), ``simulation`` (its integration), ``network`` (slices, what goes in, what is read
out), ``flows`` (densities); then ``configuration`` with ``experiments``, ``arguments``,
``grammars`` and ``fields`` (the paper's YAML), ``recipes`` (ours), ``baselines``, ``models``,
``store`` (files), ``samples`` (data), ``training``, ``evaluation``. Fast paths are in
``ohmbench.kernels``.

Nothing is imported here: ``ohmbench.kernels`` needs ``circuit`` and is needed by ``network``.
"""
