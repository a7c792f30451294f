# Generated from the report's JSON schema by `cargo xtask generate`; edit `crates/report/src/data` instead.
"""The report's contract `urn:filiation:report:v1` as Python classes; `docs/formats/report.schema.json` is the same in JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

# What a method needs to see.
Access = Literal["manifest", "tokenizer", "weights", "activations", "logits", "text", "log"]

# Whether what a card says agrees with what was found.
ClaimOutcome = Literal["agrees", "contradicts", "notTested"]

# Whether a row is the model in question.
ClaimRowKind = Literal["suspect", "control"]

# What one position of an attention map is.
ClaimUnit = Literal["tokens", "words"]

# How sets of replies are one piece of evidence.
Combination = Literal["pooled", "eProduct", "eMean"]

# The answer to one question.
Conclusion = Literal["supports-derivation", "supports-independence", "supports-distillation", "no-evidence-of-distillation", "inconclusive"]

# What the rows and columns of a matrix stand for.
Entries = Literal["blocks", "tensors"]

# What the controls allow to say.
MarginOutcome = Literal["standsOut", "within", "abstains"]

# How two tensors were brought together.
MatchedBy = Literal["role", "digest", "content", "tokens", "prefix"]

# How the distribution of a statistic under the null hypothesis is known.
NullKind = Literal["exact", "permutation", "asymptotic", "bound"]

# Whether a method gave a number.
Outcome = Literal["observed", "notApplicable", "failed"]

# What a verdict answers. Questions are never merged.
Question = Literal["derivation", "distillation", "identity", "extraction", "provenance"]

# What best explains the agreement: the Hub's words where they exist, and ours.
Relation = Literal["identical", "quantized", "finetune", "adapter", "merge", "pruned", "distilled", "layers-changed", "vocabulary-changed", "upcycled", "permuted", "rotated", "rescaled", "partial"]

# Which side a file belongs to.
SideRole = Literal["reference", "suspect", "control"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to one of the two questions."""

    # The answer.
    conclusion: Conclusion
    # log10 of the p-value that it rests on; null where there is none.
    log10_p: float | None
    # The method that gave it.
    method: str | None = None
    # SHA-256 of that report, where it is another one.
    report_sha256: str | None = None
    # Its sentence.
    statement: str
    # Path of the suspect in the report that the answer is from.
    suspect: str


@dataclass(frozen=True, kw_only=True)
class AttentionClaim:
    """One claim of the kind "their attention is correlated", measured on the suspect and on every control beside the same reference."""

    # Each head of the suspect with the head of the reference that it is matched with.
    heads: list[ClaimHead]
    # The likelihood ratio that follows; null where none does.
    likelihood: ClaimLikelihood | None
    # Why no likelihood ratio follows, or what the one that does rests on.
    likelihood_why: str
    # Attention of the best matched heads on one short prompt.
    maps: list[ClaimMap]
    # The measures, from the claimant's number to what remains when all that independent models share is removed.
    measures: list[ClaimMeasure]
    # Heads of each layer of the suspect.
    n_heads: int
    # Layers of the suspect.
    n_layers: int
    # How many there are.
    n_prompts: int
    # Name and version of the prompts: `"shared 1"`.
    prompts: str
    # SHA-256 of their texts.
    prompts_digest: str
    # The suspect, then the controls.
    rows: list[ClaimRow]
    # What the positions are that attention was compared at.
    unit: ClaimUnit


@dataclass(frozen=True, kw_only=True)
class BlockMatrix:
    """Agreement of every block of the reference (a row) with every block of the suspect (a column)."""

    # Highest value of each row.
    best: list[float | None] = field(default_factory=list)
    # Names of the suspect's blocks, left to right.
    cols: list[str]
    # What rows and columns stand for; blocks where the key is absent.
    entries: Entries | None = None
    # What the values are: `"mean cosine of same-index units"`.
    measure: str | None = None
    # The roles that the values were taken over: `mlpUp`, `mlpGate`.
    roles: list[str]
    # Names of the reference's blocks, top to bottom.
    rows: list[str]
    # Second highest value of each row.
    runner_up: list[float | None] = field(default_factory=list)
    # `values[row][column]`, -1 to 1; null where the two blocks cannot be compared.
    values: list[list[float | None]]


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a method tests, in the words of its author."""

    # What it needs to see.
    access: list[Access]
    # What the null distribution rests on.
    assumptions: str
    # Changes of a model that defeat it.
    defeats: str
    # Id of the method.
    id: str
    # Its null hypothesis.
    null: str
    # The question in words.
    question: str
    # Where it was published.
    reference: str
    # What the statistic is, its unit and its tail.
    statistic: str
    # Changes of a model that it survives.
    survives: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """The two models, the controls and the seed."""

    # Independent models that show what strangers score.
    controls: list[Side]
    # The prompts that the models were run on; null where they were not.
    prompts: Prompts | None
    # The model that the suspect is held against.
    reference: Side
    # The seed of everything that is drawn.
    seed: int
    # The model in question.
    suspect: Side


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One statement of the suspect's card."""

    # The field: `base_model`, `base_model_relation`, `license`.
    field: str
    # What was found, one sentence.
    found: str
    # Whether the two agree.
    outcome: ClaimOutcome
    # What the card says; null where it is silent.
    value: str | None


@dataclass(frozen=True, kw_only=True)
class ClaimHead:
    """A head of the suspect and its counterpart."""

    # Head within it, from 0.
    head: int
    # Layer of the suspect, from 0.
    layer: int
    # Correlation of their attention as it is.
    raw: float
    # Head within it, from 0.
    reference_head: int
    # Layer of the reference, from 0.
    reference_layer: int
    # Correlation of what remains by the last measure; null where that is not defined.
    residual: float | None


@dataclass(frozen=True, kw_only=True)
class ClaimLikelihood:
    """How much more probable the observation is under derivation than under independence."""

    # `id@digest` of the calibration that it rests on.
    calibration: str
    # log10 of the ratio.
    log10_lr: float


@dataclass(frozen=True, kw_only=True)
class ClaimMap:
    """The attention of two matched heads on one prompt."""

    # Head within it, from 0.
    head: int
    # Its tokens or words, as text.
    labels: list[str]
    # Layer of the suspect, from 0.
    layer: int
    # Id of the prompt.
    prompt: str
    # Attention of the reference's head: one row for each label, which sums to 1.
    reference: list[float]
    # Head within it, from 0.
    reference_head: int
    # Layer of the reference, from 0.
    reference_layer: int
    # Correlation of what the controls leave of the two heads, over all prompts.
    residual: float
    # Attention of the suspect's head.
    suspect: list[float]


@dataclass(frozen=True, kw_only=True)
class ClaimMeasure:
    """One way to correlate attention."""

    # Stable: `raw-pooled`, `head-averaged`, `matched-heads`, `sink-removed`, `prompt-mean-removed`, `controls-regressed`.
    id: str
    # In a few plain words.
    title: str
    # What was computed, one sentence.
    words: str


@dataclass(frozen=True, kw_only=True)
class ClaimRow:
    """All measures of one model beside the reference."""

    # Whether it is the suspect.
    kind: ClaimRowKind
    # Path or name of the model.
    name: str
    # Its values, -1 to 1, in the order of the measures; null where a measure is not defined.
    values: list[float | None]
    # Why a value is null, in the order of the measures.
    why: list[str | None]


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A tensor that no training touched."""

    # Its elements.
    elements: int
    # Its name in the file.
    name: str
    # Why it is held to be constant: `"sinusoidal table"`.
    why: str


@dataclass(frozen=True, kw_only=True)
class Control:
    """The statistic of a finding for one control model."""

    # log10 of its p-value.
    log10_p: float | None = None
    # Path or name of the control model.
    model: str
    # The statistic against the same reference.
    statistic: float | None


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """What so many requests would find."""

    # The smallest effect, in nats a token.
    effect: float
    # Requests.
    requests: int


@dataclass(frozen=True, kw_only=True)
class CustodyFile:
    """A file that was read."""

    # Its size.
    bytes: int
    # Its path.
    path: str
    # SHA-256 of its bytes.
    sha256: str
    # The side it belongs to.
    side: SideRole


@dataclass(frozen=True, kw_only=True)
class DigestPair:
    """Digests of two tensors."""

    # The reference's.
    reference: str
    # The suspect's.
    suspect: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A number with the words that say what it is and the parts that it was made of."""

    # Digest of the tensor or file behind it, with its algorithm: `blake3:…`.
    digest: str | None = None
    # What this is: `"block 3"`, `"up projection"`.
    label: str
    # What it was made of.
    parts: list[Explanation] = field(default_factory=list)
    # Unit of the value: `"z"`, `"cosine"`; empty for a pure number.
    unit: str | None = None
    # Its value.
    value: float | None = None
    # How it came about, in words.
    words: str | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one method observed, or why it did not."""

    # What the raw correlation of attention is worth, for the method that measures it.
    attention: AttentionClaim | None = None
    # The same statistic for independent control models.
    controls: list[Control]
    # log10 of the p-value, where the method gives one.
    log10_p: float | None
    # What the controls allow to say, for methods whose null is a question of controls.
    margin: Margin | None = None
    # What a watermark's key says of texts, for the methods that count under it.
    marks: MarksPicture | None = None
    # Id of the method: `weights.unit-alignment`.
    method: str
    # Units, tensors or tokens that entered.
    n: int | None
    # The law, the number of permutations, the theorem.
    null_detail: str | None = None
    # How the null distribution is known.
    null_distribution: NullKind | None
    # Whether it gave a number.
    outcome: Outcome
    # The number taken apart, down to tensor digests.
    parts: list[Explanation]
    # Block by block, with every control at the same relative depth.
    profile: list[ProfilePoint] = field(default_factory=list)
    # The question it bears on.
    question: Question
    # The statistic; the card says what it is and which tail counts against the null.
    statistic: float | None
    # The same statistic for copies whose null holds by construction. They are no models, and never stand for one.
    synthetic_controls: SyntheticControls | None = None
    # What released replies show beside their twins, for the method that tests them.
    twins: TwinsPicture | None = None
    # Why there is no number, or a remark on it.
    why: str | None
    # One sentence: what was observed, in words.
    words: str | None = None


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The alignment test in one block."""

    # Units whose best counterpart has the same index (or that two views agree on).
    coincidences: int | None = None
    # Name of the space: `"block 3, MLP units"`, `"decoder block 3, heads"`, `"residual coordinates"`; or of the block alone: `"3"`.
    layer: str
    # log10 of the block's p-value.
    log10_p: float | None = None
    # Units of the block that entered.
    units: int | None = None
    # Standard score of the aligned sum under a random matching of units.
    z: float | None = None


@dataclass(frozen=True, kw_only=True)
class LayerScope:
    """How much of one block of the suspect is shared."""

    # Its trained parameters.
    elements: int
    # Name of the block: `"0"`, `"decoder 3"`.
    layer: str
    # Shared fraction of its trained parameters, 0 to 1.
    shared_fraction: float


@dataclass(frozen=True, kw_only=True)
class Margin:
    """The suspect's distance from the controls, in what the controls differ among themselves."""

    # Largest distance of one control from the others, in the same units.
    largest_of_controls: float | None = None
    # log10 of the chance that one more independent model reaches it, if the controls' values are normal.
    log10_p: float | None = None
    # The answer.
    outcome: MarginOutcome
    # Distance from the mean of the controls in units of the prediction error of one more control.
    t: float | None = None
    # In words; for an abstention, why.
    why: str


@dataclass(frozen=True, kw_only=True)
class MarksCount:
    """One way to count."""

    # Whether it may count: copies taken for independent numbers may not.
    is_valid: bool
    # log10 of the p-value.
    log10_p: float
    # `each once`, `by weight`, `naive`.
    name: str
    # How its null distribution is known.
    null: NullKind
    # In standard deviations of the null hypothesis.
    z: float


@dataclass(frozen=True, kw_only=True)
class MarksPicture:
    """Numbers under a key, of what a suspect said or predicted."""

    # SHA-256 of the key.
    key_digest: str
    # What the suspect predicts in the owner's texts.
    reading: MarksTest | None = None
    # `kgw`, `gumbel`, `synthid`.
    scheme: str
    # The suspect's own texts.
    texts: MarksTest | None = None


@dataclass(frozen=True, kw_only=True)
class MarksTest:
    """A test of numbers under a key."""

    # The ways to count, in the order of the method's card.
    counts: list[MarksCount]
    # Places that were dropped: their window stands in a prompt, or was there before where each counts once.
    dropped: int
    # What it is on average under another key.
    expected: float
    # log10 of the p-value that counts.
    log10_p: float
    # Distinct pairs of window and token.
    n: int
    # How its null distribution is known.
    null: NullKind
    # The weighted sum under keys that nobody used, in standard deviations.
    null_z: list[float] = field(default_factory=list)
    # Places with a window.
    places: int
    # Sum of their numbers.
    sum: float


@dataclass(frozen=True, kw_only=True)
class NotRun:
    """A method that was not run at all."""

    # Id of the method.
    method: str
    # Why: not asked for, no access, no prompts.
    why: str


@dataclass(frozen=True, kw_only=True)
class PValue:
    """A probability under the null hypothesis, in powers of ten: 10^-4000 is an ordinary value here."""

    # log10 of the p-value; at most 0.
    log10: float
    # The method that gave it.
    method: str
    # How the null distribution is known.
    null: NullKind
    # The law, the number of permutations, the theorem: `"normal"`, `"9,999 permutations"`.
    null_detail: str | None = None


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What the figures are drawn from."""

    # Every block of the reference against every block of the suspect.
    block_matrix: BlockMatrix | None = None
    # The alignment test, block by block.
    layers: list[Layer] = field(default_factory=list)
    # What remains between reference and suspect once the disguise is undone, by block and role.
    remainder: list[Remainder] = field(default_factory=list)
    # Units of one block before and after the disguise was undone.
    undone: Undone | None = None


@dataclass(frozen=True, kw_only=True)
class Primary:
    """The one test that may conclude."""

    # Digest that was published then, with its algorithm: `sha256:…`.
    commitment: str | None
    # When they were committed, in RFC 3339; null where that is not known.
    committed_at: str | None
    # Whether replies and twins were committed before the suspect was opened; where they were not, the answer is exploratory.
    committed_beforehand: bool
    # log10 of the level that it rejects at.
    log10_level: float
    # Id of the method.
    method: str
    # When the suspect was first opened, in RFC 3339; null where that is not known.
    opened_at: str | None
    # Which number of it concludes, in words: the p-value of one fixed set, or e-values of batches.
    words: str | None = None


@dataclass(frozen=True, kw_only=True)
class ProfilePoint:
    """One block of a similarity statistic."""

    # The value of each control at the same relative depth, in the order of the finding's `controls`.
    controls: list[float | None]
    # Position of the block, from 0 (first) to 1 (last).
    depth: float
    # The suspect's block: `"3"`, `"dec 3"`, `"3.5"` for expert 5.
    label: str
    # Units that could agree.
    n: int
    # The reference's block that it was matched with.
    reference: str
    # The largest value of a synthetic copy in this block.
    synthetic: float | None = None
    # The suspect's value, a share from 0 to 1 or a correlation from -1 to 1.
    value: float


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """A set of prompts."""

    # SHA-256 of the texts: equal for equal texts in equal order.
    digest: str
    # Name and version.
    label: str
    # How many.
    n_prompts: int


@dataclass(frozen=True, kw_only=True)
class Remainder:
    """One role of one block, in the reference's order and basis."""

    # The suspect's block; empty for what is outside blocks.
    block: str
    # Correlation of the values after undoing.
    correlation: float | None
    # Units, heads' rows or tokens compared.
    n: int
    # Norm of the difference over norm of the reference, after undoing.
    relative_difference: float | None
    # `mlpUp`.
    role: str


@dataclass(frozen=True, kw_only=True)
class Scope:
    """How much of the suspect's trained parameters is shared, and where."""

    # Shared fraction by block of the suspect.
    by_layer: list[LayerScope] = field(default_factory=list)
    # Trained parameters of the suspect by role: what each fraction is a fraction of.
    elements: dict[str, int] = field(default_factory=dict)
    # Shared fraction by role, 0 to 1; keys in lowerCamelCase: `embed`, `mlpUp`.
    roles: dict[str, float]
    # Shared fraction of the suspect's trained parameters, 0 to 1.
    shared_fraction: float


@dataclass(frozen=True, kw_only=True)
class Side:
    """One model."""

    # Encodings of its tensors: `bf16`, `q4_k, f32`.
    encoding: str | None = None
    # Family that describes its tensors; null where none does.
    family: str | None
    # Container: `safetensors`, `gguf`, `onnx`; `endpoint` where there is none.
    format: str | None = None
    # The model that an endpoint was asked for, by the name that it goes by there.
    model: str | None = None
    # Blocks.
    n_layers: int | None = None
    # Parameters, constants included; 0 where they are not known, as of an endpoint.
    n_parameters: int
    # Tensors.
    n_tensors: int | None = None
    # Path as the user gave it; the address of an endpoint.
    path: str
    # SHA-256 of the file, or of the sorted list of files and digests where there are several; empty for an endpoint, which shows no files.
    sha256: str
    # Root over the digests of all tensors: equal for equal values, whatever the container; empty for an endpoint.
    tensor_root: str


@dataclass(frozen=True, kw_only=True)
class SyntheticControls:
    """Exchangeable copies: units of the suspect re-drawn by permutation within each block and view."""

    # What they cannot exclude.
    do_not_stand_for: str
    # log10 of the chance that a copy reaches the suspect's agreement, exact by construction.
    log10_p: float | None
    # What they exclude.
    stand_for: str
    # The statistic of each copy.
    statistics: list[float]


@dataclass(frozen=True, kw_only=True)
class TensorMatch:
    """A tensor of the suspect beside the tensor of the reference that it corresponds to."""

    # Cosine of the two, all elements.
    cosine: float | None
    # Digests of the two tensors' values, with their algorithm: `blake3:…`.
    digests: DigestPair | None = None
    # Fraction of elements that are equal, bit by bit, after widening.
    equal_fraction: float | None
    # How they were brought together.
    how: MatchedBy
    # The tensor of the reference.
    reference: TensorRef
    # Norm of the difference over norm of the reference.
    relative_difference: float | None
    # Cosine with the next best tensor of the reference.
    runner_up: float | None
    # Shape, as the suspect stores it.
    shape: list[int]
    # The tensor of the suspect.
    suspect: TensorRef
    # Whether one of the two is stored transposed.
    transposed: bool


@dataclass(frozen=True, kw_only=True)
class TensorRef:
    """A tensor of one side."""

    # Its name in the file.
    name: str
    # Its place in the network, where a family gives one: `3.mlpUp.weight`.
    slot: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tool:
    """The program that wrote a report."""

    # The commit that it was built from; empty where the build did not know it.
    commit: str
    # `filiation`.
    name: str
    # Its version.
    version: str


@dataclass(frozen=True, kw_only=True)
class TwinsPicture:
    """A test on replies that were released and twins that could as well have been."""

    # The public base in the suspect's place; it saw neither replies nor twins.
    base_alone: TwinsTest | None = None
    # Each batch by itself, where there are several or more may come.
    batches: list[TwinsTest] = field(default_factory=list)
    # Share of the base's differences that was taken away.
    beta: float | None = None
    # Which number of all replies concludes.
    combination: Combination
    # The smallest effect that is found so often, by number of requests.
    curve: list[CurvePoint]
    # The smallest effect that it finds so often, in nats a token.
    detectable: float
    # The smallest effect that matters, as declared, in nats a token.
    effect: float
    # Fewest twins of a request.
    fewest_twins: int
    # log10 of the product, or mean, of the e-values of all batches; null where there are none.
    log10_e: float | None = None
    # log10 of the level that the verdict rejects at.
    log10_level: float
    # log10 of the p-value of all batches together.
    log10_p: float
    # Most twins of a request.
    most_twins: int
    # How its null distribution is known.
    null: NullKind
    # The number of arrangements, the theorem.
    null_detail: str | None = None
    # The statistic of drawn arrangements, in their standard deviations.
    null_z: list[float]
    # Replies that went to others.
    placebo: TwinsTest | None = None
    # Share of true effects of the size `detectable` that the test finds at that level.
    power: float
    # The test itself, with the base's part taken away where there is a base.
    primary: TwinsTest
    # Requests that would be needed to find `effect` so often.
    requests_needed: int
    # The same without the base.
    without_base: TwinsTest | None = None


@dataclass(frozen=True, kw_only=True)
class TwinsTest:
    """The test on some of the requests."""

    # Clusters of requests that share one fate.
    clusters: int
    # The difference of each cluster, in nats a token.
    differences: list[float]
    # Mean log-probability of a token of the released reply above that of its twins, in nats.
    effect: float
    # 95 % interval of it; null where it is not known.
    interval: list[float] | None
    # log10 of the e-value, of a batch.
    log10_e: float | None = None
    # log10 of the p-value.
    log10_p: float
    # How its null distribution is known.
    null: NullKind
    # The number of arrangements, the theorem.
    null_detail: str | None = None
    # Requests.
    requests: int
    # In standard deviations of the null hypothesis.
    z: float


@dataclass(frozen=True, kw_only=True)
class TwoQuestions:
    """Derivation and distillation of one suspect. They are never merged: each has a null hypothesis and tests of its own."""

    # From another report; null where it was not asked.
    derivation: Answer | None
    # Of this report.
    distillation: Answer
    # Whether the tensor roots or files of the two reports' suspects are the same; null where one of them is an endpoint.
    same_suspect: bool | None


@dataclass(frozen=True, kw_only=True)
class Undone:
    """Correlations of some units of one block, as the files have them and in the order that matching found."""

    # Units of the suspect in the order that matching found.
    after: list[int]
    # Units of the suspect with the same indices, left to right.
    before: list[int]
    # The reference's block.
    reference: str
    # Units of the reference drawn, top to bottom.
    rows: list[int]
    # The suspect's block.
    suspect: str
    # Correlation of what the units do to tokens, in the order found.
    values_after: list[list[float]]
    # Correlation of the units' stored vectors in file order: `valuesBefore[row][column]`, -1 to 1.
    values_before: list[list[float]]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer to one question, with its measure."""

    # `id@digest` of the calibration.
    calibration: str | None
    # The answer.
    conclusion: Conclusion
    # The likelihood ratio in one sentence, or why there is none.
    likelihood: str | None = None
    # log10 of the likelihood ratio of derivation over independence, where a calibration exists.
    log10_lr: float | None
    # The interval that the calibration supports.
    log10_lr_bounds: list[float] | None
    # The strongest admissible p-value.
    p_value: PValue | None
    # What is answered.
    question: Question
    # Best explanations of the agreement; may be several, may be empty.
    relation: list[Relation]
    # What was seen of each relation, in words; keys are the words of `relation`.
    relation_words: dict[str, str] = field(default_factory=dict)
    # How much is shared, and where.
    scope: Scope
    # One sentence that a judge can read.
    statement: str
    # What would allow an answer, where the conclusion is inconclusive.
    would_help: str | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """One comparison of a suspect with a reference, whole: from the sentence down to the digests."""

    # The cards of the methods named in `findings` and `notRun`.
    cards: list[Card] = field(default_factory=list)
    # What was compared.
    case: Case
    # What the suspect's card says of itself, and what was found.
    claims: list[Claim] = field(default_factory=list)
    # The command that makes the same report again.
    command: str | None = None
    # Tensors that no training touched, left out of every count.
    constants_left_out: list[Constant] = field(default_factory=list)
    # Every file that was read, with its digest.
    custody: list[CustodyFile] = field(default_factory=list)
    # What each method observed, or why it did not.
    findings: list[Finding]
    # What the report does not say, one sentence each.
    limits: list[str] = field(default_factory=list)
    # Tensors of the suspect and the tensors of the reference that they correspond to.
    matches: list[TensorMatch] = field(default_factory=list)
    # Methods that this program has and that were not run at all.
    not_run: list[NotRun] = field(default_factory=list)
    # Numbers behind the figures.
    pictures: Pictures | None = None
    # The one test that may conclude, where one was declared.
    primary: Primary | None = None
    # Always [`SCHEMA`].
    schema: str
    # The program that wrote the report.
    tool: Tool
    # Derivation and distillation side by side.
    two_questions: TwoQuestions | None = None
    # One conclusion per question that was asked.
    verdicts: list[Verdict]
