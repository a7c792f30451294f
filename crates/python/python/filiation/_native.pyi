"""
The native part of `filiation`; use that package instead.
"""

from _typeshed import Incomplete, SupportsGetItem
from os import PathLike
from typing import SupportsFloat, SupportsIndex, final

__all__ = ["Checkpoint", "Observation", "PromptSet", "Recorder", "Watermark", "compare", "inspect", "observe_checkpoint", "render_html", "render_text", "write_report"]

@final
class Checkpoint:
    """
    Weights on disk with their digests: a file, a folder, or the id of a model in the Hub cache.
    """
    def __new__(cls, /, path: str | PathLike[str]) -> Checkpoint: ...
    @property
    def family(self, /) -> str | None:
        """
        The family that describes its tensors, where there is one.
        """
    @property
    def n_parameters(self, /) -> int:
        """
        Stored elements of numeric weights.
        """
    @property
    def name(self, /) -> str:
        """
        What people call it: its folder, or its file with the folder that it lies in.
        """
    def row(self, /, tensor: SupportsIndex, row: SupportsIndex) -> Incomplete:
        """
        A row of a tensor along its first axis, widened to 32 bits.
        """
    @property
    def tensor_root(self, /) -> str:
        """
        SHA-256 over the digests of all tensors with their names: the same values give the same root in every container.
        """
    @property
    def tensors(self, /) -> list[tuple[str, list[int]]]:
        """
        Name and shape of each tensor.
        """

@final
class Observation:
    """
    What one model does on one set of prompts; `filiation.observe` makes one, and `filiation.compare` takes it in place of the model.

    >>> observation = Observation.read("base.observation.safetensors")
    >>> observation.attention(layer=0, head=1, prompt=3)    # [n, n]: row i is what token i attends to
    """
    def __repr__(self, /) -> str: ...
    def attention(self, /, layer: SupportsIndex, head: SupportsIndex, prompt: SupportsIndex) -> Incomplete | None:
        """
        Attention probabilities, `[n, n]`: row `i` is what token `i` attends to. `None` where there is no such place.
        """
    @property
    def causal(self, /) -> bool:
        """
        Whether a token attends to itself and earlier ones alone.
        """
    @property
    def engine(self, /) -> str:
        """
        Name and version of what computed.
        """
    @property
    def family(self, /) -> str:
        """
        The model's family.
        """
    def gate_sketches(self, /, layer: SupportsIndex) -> Incomplete | None:
        """
        Sketches of a block's gate, or `None` where it has none: the dot product of two rows estimates a correlation.
        """
    @property
    def hidden(self, /) -> int:
        """
        Width of the residual stream.
        """
    @property
    def logit_ellipse(self, /) -> Incomplete | None:
        """
        Upper triangular shape of the unembedding in that basis, `[rank, hidden]`: basis times ellipse gives its rows, centred over tokens.
        """
    @property
    def logit_image(self, /) -> Incomplete | None:
        """
        Orthonormal basis of the logits that the unembedding can give, `[tokens, rank]`.
        """
    @property
    def logit_positions(self, /) -> list[tuple[int, int]]:
        """
        Prompt and word of each row of `logits`.
        """
    @property
    def logit_tokens(self, /) -> list[int]:
        """
        Token of each column of `logits`.
        """
    @property
    def logits(self, /) -> Incomplete | None:
        """
        Logits before the final cap, less their mean over the sampled tokens, `[positions, tokens]`; `None` where they were not observed.
        """
    @property
    def model(self, /) -> str:
        """
        What people call the model.
        """
    @property
    def n_heads(self, /) -> int:
        """
        Query heads of a block.
        """
    @property
    def n_layers(self, /) -> int:
        """
        Blocks.
        """
    @property
    def n_parameters(self, /) -> int:
        """
        Stored elements of the model's weights.
        """
    @property
    def n_prompts(self, /) -> int:
        """
        Number of prompts.
        """
    @property
    def norm(self, /) -> str:
        """
        `rms` or `layer`.
        """
    @property
    def prompts(self, /) -> str:
        """
        Name and version of the prompts.
        """
    @property
    def prompts_digest(self, /) -> str:
        """
        Digest of the prompts.
        """
    @staticmethod
    def read(path: str | PathLike[str]) -> Observation:
        """
        Reads a file that `save`, or `filiation observe`, wrote.
        """
    def save(self, /, path: str | PathLike[str]) -> None:
        """
        Writes the container of `docs/formats/observation.md`. A file that is there is replaced, and only by a complete one.
        """
    @property
    def starts(self, /) -> Incomplete:
        """
        Where each prompt starts in `tokens`, and the end.
        """
    def stream(self, /, layer: SupportsIndex) -> Incomplete | None:
        """
        The residual stream before block `layer` at the sampled words, each row by its root mean square; `n_layers` gives it after the last.
        """
    @property
    def stream_words(self, /) -> list[tuple[int, int]]:
        """
        Prompt and word of each row of `stream`, `[words, 2]`.
        """
    @property
    def taps(self, /) -> list[str]:
        """
        What was observed, of `attention`, `units`, `stream` and `logits`.
        """
    @property
    def tensor_root(self, /) -> str | None:
        """
        Digest of the weights that this is an observation of; `None` where it could not be known.
        """
    @property
    def tokens(self, /) -> Incomplete:
        """
        Token ids of all prompts, one after another.
        """
    @property
    def units(self, /) -> int:
        """
        Units of a block's MLP; 0 for mixtures.
        """
    def up_sketches(self, /, layer: SupportsIndex) -> Incomplete | None:
        """
        The same of a block's up projection.
        """
    @property
    def vocabulary(self, /) -> int:
        """
        Rows of the unembedding.
        """
    @property
    def words(self, /) -> Incomplete:
        """
        Word of each token within its prompt; 4294967295 for none.
        """

@final
class PromptSet:
    """
    Texts in a fixed order, with a digest; `PromptSet.shared()` is the benchmark that this package carries.

    >>> prompts = PromptSet.shared()
    >>> len(prompts), prompts.label
    (240, 'shared 1')
    """
    def __len__(self, /) -> int: ...
    def __repr__(self, /) -> str: ...
    @property
    def digest(self, /) -> str:
        """
        SHA-256 over lengths and texts, in hexadecimal.
        """
    def first(self, /, n: SupportsIndex) -> PromptSet:
        """
        The first `n` texts, as a set of its own.
        """
    @property
    def ids(self, /) -> list[str]:
        """
        Id of each text.
        """
    @property
    def label(self, /) -> str:
        """
        Name and version.
        """
    @staticmethod
    def of(texts: SupportsGetItem[int, str], name: str = "given") -> PromptSet:
        """
        From your own texts; their ids are their places in the list.

        >>> PromptSet.of(["The quick brown fox", "Das Wetter ist schön"]).texts[1]
        'Das Wetter ist schön'
        """
    @staticmethod
    def open(path: str | PathLike[str]) -> PromptSet:
        """
        Reads a TOML file of the form that `data/prompts/README.md` describes.
        """
    @staticmethod
    def shared() -> PromptSet:
        """
        The shared benchmark: 240 texts of several kinds and languages.
        """
    @property
    def texts(self, /) -> list[str]:
        """
        The texts.
        """

@final
class Recorder:
    """
    Keeps what an observation holds, of one forward pass for each prompt.
    """
    def __new__(cls, /, prompts: PromptSet, ids: SupportsGetItem[int, SupportsGetItem[int, SupportsIndex]], spans: SupportsGetItem[int, SupportsGetItem[int, tuple[SupportsIndex, SupportsIndex]]], *, tokenizer_json: str, taps: SupportsGetItem[int, str], max_positions: SupportsIndex | None, engine: str, tensor_root: str | None, model: str, family: str, n_parameters: SupportsIndex, n_layers: SupportsIndex, n_heads: SupportsIndex, hidden: SupportsIndex, units: SupportsIndex, vocabulary: SupportsIndex, causal: bool, norm: str, logit_cap: SupportsFloat | SupportsIndex | None) -> Recorder:
        """
        Prepares for one forward pass for each prompt, over its tokens `ids`; `spans` are in characters of the text.
        """
    def attention(self, /, prompt: SupportsIndex, layer: SupportsIndex, probabilities: Incomplete) -> None:
        """
        Attention probabilities of a block on a prompt, `[heads, n, n]`.
        """
    def finish(self, /, rows: Incomplete | None = None, gain: Incomplete | None = None) -> Observation:
        """
        The observation. `rows` are those of the unembedding at `logit_tokens`, and `gain` that of the final norm, where logits are observed.
        """
    def logit_positions(self, /, prompt: SupportsIndex) -> list[int]:
        """
        Positions of a prompt whose logits are kept, ascending.
        """
    @property
    def logit_tokens(self, /) -> list[int]:
        """
        Tokens whose logits are kept, and whose rows of the unembedding `finish` is given.
        """
    def logits(self, /, prompt: SupportsIndex, positions: SupportsGetItem[int, SupportsIndex], values: Incomplete) -> None:
        """
        Logits at positions of a prompt, `[positions, vocabulary]`, after the final cap where the model has one.
        """
    @property
    def sequences(self, /) -> list[list[int]]:
        """
        The tokens to run, one sequence a prompt.
        """
    def stream(self, /, prompt: SupportsIndex, layer: SupportsIndex, values: Incomplete) -> None:
        """
        The residual stream of a prompt before a block, `[n, hidden]`; after the last for `layer` = number of blocks.
        """
    def units(self, /, prompt: SupportsIndex, layer: SupportsIndex, gate: Incomplete | None, up: Incomplete) -> None:
        """
        Activations of a block's units before the nonlinearity, `[n, units]`: of the gate where there is one, and of the up projection.
        """

@final
class Watermark:
    """
    A watermark with its key, which nothing prints. `filiation.transformers.WatermarkProcessor` marks with it.

    >>> watermark = Watermark.open("spring.toml")
    >>> watermark.green([5, 17], vocabulary=512).mean()    # about gamma
    """
    def __repr__(self, /) -> str: ...
    def campaign(self, /, name: str) -> Watermark:
        """
        The same scheme with the key of a campaign.
        """
    @property
    def delta(self, /) -> float | None:
        """
        What is added to the logits of green tokens; of `kgw`.
        """
    @property
    def digest(self, /) -> str:
        """
        SHA-256 of the key.
        """
    @property
    def gamma(self, /) -> float | None:
        """
        Share of green tokens; of `kgw`.
        """
    def green(self, /, window: SupportsGetItem[int, SupportsIndex], vocabulary: SupportsIndex) -> Incomplete:
        """
        Which of the tokens `0..vocabulary` are green after a window.
        """
    @staticmethod
    def new(scheme: str = "kgw", gamma: SupportsFloat | SupportsIndex = 0.25, delta: SupportsFloat | SupportsIndex = 2.0, window: SupportsIndex = 2) -> Watermark:
        """
        A fresh key from the system's randomness; `scheme` is `kgw` or `gumbel`. Keep it with `save`.
        """
    @staticmethod
    def open(path: str | PathLike[str]) -> Watermark:
        """
        Reads a file of `filiation watermark key`.
        """
    def save(self, /, path: str | PathLike[str]) -> None:
        """
        Writes the key into a new file that only its owner can read.
        """
    @property
    def scheme(self, /) -> str:
        """
        `kgw` or `gumbel`.
        """
    def uniforms(self, /, window: SupportsGetItem[int, SupportsIndex], vocabulary: SupportsIndex) -> Incomplete:
        """
        The numbers of the tokens `0..vocabulary` after a window, between 0 and 1.
        """
    @property
    def window(self, /) -> int:
        """
        Tokens of a window.
        """

def compare(reference: str | PathLike[str], suspect: str | PathLike[str], *, controls: SupportsGetItem[int, str | PathLike[str]], parents: SupportsGetItem[int, str | PathLike[str]], registered_controls: bool, methods: SupportsGetItem[int, str], prompts: str | PathLike[str] | None, run: str, seed: SupportsIndex) -> str:
    """
    What `filiation compare --format json` prints.
    """

def inspect(model: str | PathLike[str]) -> str:
    """
    What `filiation inspect --format json` prints.
    """

def observe_checkpoint(path: str | PathLike[str], prompts: PromptSet | None = None) -> Observation:
    """
    Runs a checkpoint with the package's own engine, on the processor: what `filiation observe` does, without torch.

    >>> observation = filiation.observe_checkpoint("testdata/models/base")
    >>> observation.save("base.observation.safetensors")
    """

def render_html(json: str) -> str:
    """
    The page of a report that is given as JSON.
    """

def render_text(json: str) -> str:
    """
    The text of a report that is given as JSON, as a terminal shows it.
    """

def write_report(json: str, folder: str | PathLike[str]) -> None:
    """
    Writes `report.json` and `report.html` into a folder.
    """
