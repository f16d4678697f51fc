"""Which files ``ohmbench fetch`` gets: where each is published, its SHA-256, where it is kept.

Repositories are pinned at a commit. A file whose SHA-256 is another is refused, wherever it comes
from, so a mirror needs no trust.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ohmbench.constants import DATA_VARIABLE, FANN_VARIABLE, KIRCHHOFF_VARIABLE, MODELS_VARIABLE

PATH = "{path}"
"""Stands in a URL for the path of a file."""


@dataclass(frozen=True)
class Published:
    """A file: its path where it is published, its SHA-256, its size in bytes where it is known.

    ``kept_as`` is its path in the folder of its source, by default the same.
    """

    path: str
    sha256: str
    size: int | None = None
    kept_as: str = ""

    @property
    def target(self) -> str:
        """Its path in the folder of its source."""
        return self.kept_as or self.path


@dataclass(frozen=True)
class Source:
    """Files that are published together, in a ``repository`` of GitHub at a commit or at URLs.

    ``urls`` are tried in their order; ``PATH`` stands in them for a file's path. ``folder`` is
    where the files are kept below the folder of all that is fetched, and ``variable`` names the
    user's own folder, which comes first.
    """

    name: str
    title: str
    folder: str
    variable: str
    files: tuple[Published, ...]
    repository: str = ""
    commit: str = ""
    urls: tuple[str, ...] = ()

    @property
    def web_urls(self) -> tuple[str, ...]:
        """Where its files are over https, best first."""
        if not self.repository:
            return self.urls
        return (f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{PATH}",)

    @property
    def git_url(self) -> str:
        """Its repository, or nothing."""
        return f"https://github.com/{self.repository}" if self.repository else ""

    def by_hand(self, folder: str) -> str:
        """What someone without a network puts where."""
        if self.repository and all(not file.kept_as for file in self.files):
            what = f"a checkout of github.com/{self.repository} at {self.commit[:12]}"
        elif len(self.files) > 4:
            what = f"its {len(self.files)} files"
        else:
            what = ", ".join(file.target for file in self.files)
            what += f" of github.com/{self.repository}" if self.repository else ""
        return f"put {what} into {folder}"


def _files(text: str, kept_as: Iterable[str] = ()) -> tuple[Published, ...]:
    """One file per line: SHA-256, size in bytes or -, path."""
    rows = [line.split(maxsplit=2) for line in text.strip().splitlines()]
    names = list(kept_as) or [""] * len(rows)
    return tuple(
        Published(path, sha256, None if size == "-" else int(size), name)
        for (sha256, size, path), name in zip(rows, names, strict=True)
    )


FANN = Source(
    "fann",
    "the FANN paper's trained files",
    "fann",
    FANN_VARIABLE,
    _files(
        """
c3a3694139d197289466c3bec44849ce5bba21192bc9dc3199655a72141e3f1a 264238 Analog/fg_mnist_weights_v3.npz
b4d815e8ba9426cd01c61dd9b68518f60e9dddee8590ae5461d0b2e49cde9458 - Analog/fg_mnist8x8_weights.npz
89225d3e10437bda77b3fa25b212d14bc0da9bdaccd7aa863d552b71b1416434 40348 Digital/mnist8x8_int8W_int32B_uint8A.npz
"""  # noqa: E501
    ),
    repository="a-folabi/FANN",
    commit="19ec224d7a365a6d1b4e203e9a69383f9abe979d",
)
KIRCHHOFFNET = Source(
    "kirchhoffnet",
    "the KirchhoffNet paper's checkpoints",
    "kirchhoffnet",
    KIRCHHOFF_VARIABLE,
    _files(
        """
3b31cb3006479d5848600149348d7049b5cc1368fcbc26c9e5ed90fb0f9bce14 - src/results/2spirals/config.yaml
68d5cde5865416d4c10c2d1e3ad61603124be70db073777793e15452c633301a - src/results/2spirals/model.pth
a0898a688b717b95ef0ac2f9c1a90f12dd8a460c7d6544c10cc42089e0ed95a5 807 src/results/8gaussians/config.yaml
5eb247f7b02e90647a7ec8dd2343ed81c267cc3d6b3f3dfcd4f450e52e188dcb 16415 src/results/8gaussians/model.pth
b6c1e5932ae1c6a96b2403476a8abae18d8b64c99644b76819088705c23cdc26 - src/results/circle/config.yaml
e1063d75bf1a868961088e2f3b89b8357bf94fb4f6d67eb08ef9663fde47bfc7 - src/results/circle/model.pth
b9a5dedbb43bb25d1b9d29ae08e3df6f620e2fcbea6f632a5cf13e5d2b1f9fdc 859 src/results/genmnist/config.yaml
edc412952bcf1b1bf0e400c9a3da2386e5cb74a1a84890a5b06cce65476a085c 1207079 src/results/genmnist/model.pth
c121816cebbe0e0803c05d14d5879dfaa8e1c5c62aa783bc0557817a9db807c2 856 src/results/mnist/config.yaml
9a4ef57dff427513b5fca84039daf95eab54572cc3a0c01ad68aa8046a5f2210 3682407 src/results/mnist/model.pth
4d9b388c6f510133368ccc3c5641172d78f4994d15b882f34b133c5314e38890 - src/results/pinwheel/config.yaml
06d5ccf5c95d680f3e4dce3a526e80ef9a091179e444f6d7985dea0074147a5a - src/results/pinwheel/model.pth
fd65e873cd86b4a2ffc3beaabc67bd36bb58c61f14a4b022d76bd124122ac9ff 1971 src/results/potential1/config.yaml
e240ce502225218d21fdd8f56d35e53ffc3e6c3ef2bd04c051307e8c0b37db55 29045 src/results/potential1/model.pth
470c52c6dcfb391bbac968f88aa9746fbb443cc4635107f0dc61cbd1476ea6a7 - src/results/potential2/config.yaml
d963cc13b7ffe5e8c8cf0a173abae5b06ca6a02fc2b2f56a3e0fdb7b0d1a59bb - src/results/potential2/model.pth
0e93829f5135a6464b919c189ddca4b5200df0880d3d2b7a3039162091542be8 - src/results/swissroll/config.yaml
dc8893249cbc50d6b65266842fe42336a7f63ed3e2df445b8be13c6ead493108 - src/results/swissroll/model.pth
9beba71f55920a7ae86007d0015dc4f890752a995ac2f8bb9bfe40a5d1d20398 608 src/results/twomoon/config.yaml
8f772def5d4554f4fbc6d9b50546287f48431c717dd0eca2297e01121517d4e1 8487 src/results/twomoon/model.pth
"""  # noqa: E501
    ),
    repository="zhengqigao/kirchhoffnet",
    commit="7024072aa115099c3ff781bc7292d33c9cfcf5f0",
)
MNIST = Source(
    "mnist",
    "MNIST",
    "mnist",
    DATA_VARIABLE,
    _files(
        """
71524e2cd1ad2968737f7f2f2ff69cbfc32df8ccddff51593f7cb2d4e0eb5b64 9630610 train-images-idx3-ubyte.gz
fe03b8bd7915f70bf5aa08be480aa413fbd85afcaa58b35d230d335f284fd88e 28878 train-labels-idx1-ubyte.gz
5634745efa576a17e7d4cf5cd9d09123c75e6538e5114267c2d156edaf519341 1602050 t10k-images-idx3-ubyte.gz
ae18e77e031ccde52407f794d123116439864147d33ac992975f85dd4dc42af6 4517 t10k-labels-idx1-ubyte.gz
"""
    ),
    urls=(
        f"https://ossci-datasets.s3.amazonaws.com/mnist/{PATH}",
        f"https://storage.googleapis.com/cvdf-datasets/mnist/{PATH}",
    ),
)
# The archive of StatLib, where scikit-learn's fetch_california_housing gets it.
HOUSING = Source(
    "housing",
    "California housing",
    "housing",
    DATA_VARIABLE,
    _files("aaa5c9a6afe2225cc2aed2723682ae403280c4a3695a2ddda4ffb5d8215ea681 - cal_housing.tgz"),
    urls=("https://ndownloader.figshare.com/files/5976036",),
)
QONNX_ZOO = Source(
    "qonnx-zoo",
    "networks of the QONNX model zoo",
    "models",
    MODELS_VARIABLE,
    _files(
        """
1d9aa7e299790c8fdfad84a8c9de174f68cd3c1d2257f740e3951fa166f2f199 24320 models/JetTagging/QKeras_hls4ml_3layer/qkeras_jettagging.onnx
e875070d9b8af1ff55923ab03c7ed9dd8787d387cb3274872fe5fc6a2905b2db 242573 models/MNIST/Brevitas_FINN_TFC/TFC/TFC_1W1A.onnx
0b43a8455310040c843a5b5a36405b87653c2b958cd529c9db659e051d72653f 243001 models/MNIST/Brevitas_FINN_TFC/TFC/TFC_1W2A.onnx
58c199de1dd041e133f0c92ac7db874db809c2405b64f359f9cba4b55afb408a 1057382 models/GSCV2/kwsmlp_w3a3/kwsmlp_w3a3.onnx
""",  # noqa: E501
        ("qkeras_jettagging.onnx", "TFC_1W1A.onnx", "TFC_1W2A.onnx", "kwsmlp_w3a3.onnx"),
    ),
    repository="fastmachinelearning/QONNX_model_zoo",
    commit="2e3c7e5031fc3be89ecf47ec4dae03630716314a",
)
MLPERF_TINY = Source(
    "mlperf-tiny",
    "the anomaly detector of MLPerf Tiny",
    "models",
    MODELS_VARIABLE,
    _files(
        "87cf24194ef93d1d9b11a591d805526b98008e351655d29883c825c9c106ba24 276976 "
        "benchmark/training/anomaly_detection/trained_models/ad01_int8.tflite",
        ("ad01_int8.tflite",),
    ),
    repository="mlcommons/tiny",
    commit="1afd2c9820f795965a6134facd0b4dfae41ef23f",
)
FINN = Source(
    "finn",
    "FINN's example with one input and its answer",
    "models",
    MODELS_VARIABLE,
    _files(
        """
1706b590920df2a73dc5f256725292b9a8640f904e0e0345547722b607dea6a0 248104 src/finn/qnn-data/build_dataflow/model.onnx
5b41603e515056108feedf32c87c0f95478632d768bfb2289cc14a183131b2e5 12672 src/finn/qnn-data/build_dataflow/input.npy
10534fdee86f310360048f83d9f9f53540dc2ef7b3fa4470dd04d1d46386be2b 160 src/finn/qnn-data/build_dataflow/expected_output.npy
""",  # noqa: E501
        ("finn_tfc/model.onnx", "finn_tfc/input.npy", "finn_tfc/expected_output.npy"),
    ),
    repository="Xilinx/finn",
    commit="39f0c9a6b7675f62d47390fbf9a591707bcbac9b",
)

SOURCES = {
    source.name: source
    for source in (FANN, KIRCHHOFFNET, MNIST, HOUSING, QONNX_ZOO, MLPERF_TINY, FINN)
}
"""Name -> source."""

TARGETS: dict[str, tuple[str, ...]] = {
    "papers": ("fann", "kirchhoffnet"),
    "mnist": ("mnist",),
    "housing": ("housing",),
    "models": ("qonnx-zoo", "mlperf-tiny", "finn"),
    "all": tuple(SOURCES),
}
"""What a user may ask for -> the names of its sources."""
