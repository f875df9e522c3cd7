"""Where every artifact lies: the one list of paths, used by the workflow, the command line and the tests.

Braces are Snakemake wildcards; `layout.SLICES.format(batch="00")` fills them. Relative to the project root.
"""

from __future__ import annotations

import re
from pathlib import Path


def _by_number(kind: str) -> dict[int, str]:
    """Return where the tables or the figures lie, but for the ending: each is named after its module in
    `lss/reporting`.
    """
    modules = (Path(__file__).parent.parent / "reporting" / f"{kind}s").glob(f"{kind}[0-9]*.py")
    numbers = {int(re.findall(r"\d+", module.stem)[0]): module.stem for module in modules}
    return {number: f"results/{kind}s/{name}" for number, name in sorted(numbers.items())}


PARAMS = "params.yaml"
PLANNED_SETTINGS = ".lss-state/settings/{digest}.yaml"  # its copy for the jobs of the run that is going on

# what the chain reads but does not make, as Snakemake last saw it; in git, beside dvc.lock
OUTSIDE = "data/outside.yaml"

# cohort: how many raw files, of how many bytes, and one hash over all
COHORT_FILES = "data/interim/cohort.json"
COHORT_BATCH = "data/interim/cohort/batch-{batch}.json"  # of the raw files and notes of a batch's patients, one hash
PHANTOM = "data/raw/phantom"  # where DVC looks for the phantom's files; empty where another cohort is used
TRUTH = "data/truth/phantom.parquet"  # true masks and grades of the phantom, for evaluation only

# data stages, one file per batch of patients
SLICES = "data/interim/slices/batch-{batch}.parquet"
REJECTS = "data/interim/rejects/batch-{batch}.parquet"
SPLIT = "data/interim/split.parquet"
USED = "data/interim/used/batch-{batch}.parquet"  # which slices of a batch are in use: all that images are made by
SPLIT_BATCH = "data/interim/split/batch-{batch}.parquet"  # and in which subset, as how many copies: for the shards
ALL_REJECTS = "data/interim/rejects.parquet"
DENOISED = "data/interim/denoised/batch-{batch}.parquet"
PSEUDO_MASKS = "data/interim/pseudo_masks/batch-{batch}.parquet"
SHARD = "data/shards/{subset}-{batch}.parquet"
FOLD_SHARD = "data/shards/fold-{fold}/{subset}-{batch}.parquet"  # where that fold is tested; of the first: SHARD
SUBSETS = ("train", "val", "test")

# for the owner of the data alone, since they name patients: neither in git nor in DVC
PRIVATE_FILES = "data/private/cohort_files.csv"  # every raw file with size and hash
CHECK = "data/private/check"  # + .csv and .html; written by hand: lss check
PRIVATE_REJECTS = "data/private/rejects/batch-{batch}.csv"  # what the keys of the table of rejects stand for

# of an external cohort: in the folders of the stages too, a folder with its label (of_external); but for
EXTERNAL_FILES = "data/interim/cohort/external/{external}/files.json"  # COHORT_FILES
EXTERNAL_TRUTH = "data/interim/cohort/external/{external}/truth.parquet"  # TRUTH, which nothing reads
EXTERNAL_SPLIT = "data/interim/split/external/{external}/split.parquet"  # SPLIT
EXTERNAL_ALL_REJECTS = "data/interim/split/external/{external}/rejects.parquet"  # ALL_REJECTS

# models
PUBLISHED = "data/weights/{backbone}"  # where a user or `lss fetch weights` puts a published checkpoint
WEIGHTS = "data/interim/weights/{backbone}"  # the checkpoint in use: a folder in the published format
WEIGHTS_READY = "data/interim/weights/{backbone}/manifest.json"
MODEL = "results/models/{backbone}/{task}-{loss}"  # a folder
MODEL_CONFIG = MODEL + "/model.json"  # what `predict` needs to rebuild it
MODEL_WEIGHTS = MODEL + "/model.safetensors"  # trained parts other than the adapter
EPOCHS = MODEL + "/epochs.csv"  # one row per epoch: losses, scores, beta, FP, FN
EVENTS = (
    "logs/tensorboard/{backbone}/{task}-{loss}"  # a folder for TensorBoard; not an output: it carries time and host
)
TRAINING_STATE = ".lss-state/{backbone}/{task}-{loss}"  # rolling checkpoints; not an output, survives failures

# results
PREDICTIONS = "results/predictions/{backbone}/{task}-{loss}.parquet"
CROSS_VALIDATION = "results/cross_validation.json"  # all folds and repeats pooled
EXTERNAL = "results/cases/external.json"  # external cohorts beside the test part; not made where there are none
CASES = "results/cases/{task}.parquet"  # one row per image and model, with its scores
METRICS = "results/metrics.json"
ABLATION_CASES = "results/ablation/{backbone}/{fusion}-{repeat}.parquet"  # one row per image and loss
ABLATION_EPOCHS = "results/ablation/{backbone}/{fusion}-{repeat}.csv"  # one row per epoch and loss
ABLATION_STATE = ".lss-state/ablation/{backbone}/{fusion}-{repeat}"  # as TRAINING_STATE, a folder per loss in it
ABLATION = "results/ablation/comparison.json"  # everything that the ablation's table and figure print
STATISTICS = "results/statistics.json"  # everything the tables and figures print: estimates, intervals, tests, curves
TABLES = _by_number("table")  # + .csv, .md and .tex
FIGURES = _by_number("figure")  # + .png, _dark.png (for dark pages) and .svg
PLOTS = {
    name: f"results/plots/{name}.csv" for name in ("segmentation", "pid_controller", "classification", "report")
}  # for `dvc plots`
PAGE = "results/index.html"
MODEL_CARD = "results/cards/{backbone}-{task}-{loss}.md"
DATA_SHEET = "results/cards/data_sheet.md"

KEPT = "kept/{name}"  # a run to compare with: cases, metrics, settings; named by their content

MASK_SHEET = "results/mask_sheet.png"  # written by hand: lss show-masks
EXPERT_SCORES = "results/pseudo_masks_expert.csv"  # written by hand: lss score-masks
EXPERT_REJECTS = "results/pseudo_masks_expert_rejects.csv"

MANIFESTS = "results/manifests"
MANIFEST = MANIFESTS + "/{name}.json"  # name: stage, or stage/wildcards
MODEL_NAME = "{backbone}-{task}-{loss}"  # of a manifest of the stages train and predict


def of_trial(pattern: str) -> str:
    """Return the pattern of what a model of another fold or repeat leaves, beside that of the first.

    >>> of_trial(PREDICTIONS)
    'results/predictions/fold-{fold}/repeat-{repeat}/{backbone}/{task}-{loss}.parquet'
    """
    return pattern.replace("{backbone}", "fold-{fold}/repeat-{repeat}/{backbone}", 1)


def of_external(pattern: str, label: str = "{external}") -> str:
    """Return the pattern of what a stage leaves of an external cohort, beside that of the cohort trained on.

    >>> of_external(SLICES, "rsna")
    'data/interim/slices/external/rsna/batch-{batch}.parquet'
    >>> of_external(PREDICTIONS)
    'results/predictions/external/{external}/{backbone}/{task}-{loss}.parquet'
    """
    if pattern == PREDICTIONS:
        return pattern.replace("{backbone}", f"external/{label}/{{backbone}}")
    folder, _, name = pattern.rpartition("/")
    return f"{folder}/external/{label}/{name}"


def of_part(pattern: str, label: str) -> str:
    """Return the path of what is kept of one of several archives that are one cohort; of a single one its own place.

    >>> of_part(PRIVATE_FILES, "rsna"), of_part(PRIVATE_FILES, "")
    ('data/private/parts/rsna/cohort_files.csv', 'data/private/cohort_files.csv')
    """
    folder, _, name = pattern.rpartition("/")
    return f"{folder}/parts/{label}/{name}" if label else pattern


def external_of(manifest: str) -> str | None:
    """Return the label of the external cohort that a manifest is of; None for the cohort trained on.

    >>> external_of("results/manifests/ingest/external/rsna/batch-00.json"), external_of("results/manifests/split.json")
    ('rsna', None)
    """
    found = re.match(rf"{MANIFESTS}/\w+/external/(\w+)[/.]", manifest)
    return found[1] if found else None


def of_first_trial(manifests: list[str]) -> list[str]:
    """Return those manifests that are of the cohort trained on, and not of another fold or repeat: what tables, figures
    and page are of.

    >>> of_first_trial(["results/manifests/train/a.json", "results/manifests/train/fold-1/repeat-1/a.json"])
    ['results/manifests/train/a.json']
    """
    return [manifest for manifest in manifests if "/fold-" not in manifest and not external_of(manifest)]


def batch_names(count: int) -> list[str]:
    """Return names of the batches of patients: "00", "01", ...

    >>> batch_names(3)
    ['00', '01', '02']
    """
    return [f"{index:02d}" for index in range(count)]
