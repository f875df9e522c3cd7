"""Where every artifact lies: the one list of paths, used by the workflow, the command line and the tests.

Braces are Snakemake wildcards; `layout.SLICES.format(batch="00")` fills them. Relative to the project root.
"""

from __future__ import annotations

PARAMS = "params.yaml"
PLANNED_SETTINGS = ".lss-state/settings/{digest}.yaml"  # its copy for the jobs of the run that is going on

# what the chain reads but does not make, as Snakemake last saw it; in git, beside dvc.lock
OUTSIDE = "data/outside.yaml"

# cohort: how many raw files, of how many bytes, and one hash over all
COHORT_FILES = "data/interim/cohort.json"
PHANTOM = "data/raw/phantom"  # where DVC looks for the phantom's files; empty where another cohort is used
TRUTH = "data/truth/phantom.parquet"  # true masks and grades of the phantom, for evaluation only

# data stages, one file per batch of patients
SLICES = "data/interim/slices/batch-{batch}.parquet"
REJECTS = "data/interim/rejects/batch-{batch}.parquet"
SPLIT = "data/interim/split.parquet"
ALL_REJECTS = "data/interim/rejects.parquet"
DENOISED = "data/interim/denoised/batch-{batch}.parquet"
PSEUDO_MASKS = "data/interim/pseudo_masks/batch-{batch}.parquet"
SHARD = "data/shards/{subset}-{batch}.parquet"
SUBSETS = ("train", "val", "test")

# for the owner of the data alone, since they name patients: neither in git nor in DVC
PRIVATE_FILES = "data/private/cohort_files.csv"  # every raw file with size and hash
CHECK = "data/private/check"  # + .csv and .html; written by hand: lss check
PRIVATE_REJECTS = "data/private/rejects/batch-{batch}.csv"  # what the keys of the table of rejects stand for

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
CASES = "results/cases/{task}.parquet"  # one row per image and model, with its scores
METRICS = "results/metrics.json"
ABLATION_CASES = "results/ablation/{backbone}/{fusion}-{repeat}.parquet"  # one row per image and loss
ABLATION_EPOCHS = "results/ablation/{backbone}/{fusion}-{repeat}.csv"  # one row per epoch and loss
ABLATION_STATE = ".lss-state/ablation/{backbone}/{fusion}-{repeat}"  # as TRAINING_STATE, a folder per loss in it
ABLATION = "results/ablation/comparison.json"  # everything that the ablation's table and figure print
STATISTICS = "results/statistics.json"  # everything the tables and figures print: estimates, intervals, tests, curves
TABLES = {
    1: "results/tables/table1_classification",
    2: "results/tables/table2_segmentation",
    3: "results/tables/table3_segmentation_by_grade",
    4: "results/tables/table4_report_generation",
    5: "results/tables/table5_report_implied_severity",
    6: "results/tables/table6_loss_ablation",
    7: "results/tables/table7_ablation",
    8: "results/tables/table8_area_severity",
    9: "results/tables/table9_segmentation_by_level",
    10: "results/tables/table10_tests",
    11: "results/tables/table11_findings",
    12: "results/tables/table12_prompts",
    13: "results/tables/table13_discs",
}  # + .csv, .md and .tex
FIGURES = {
    2: "results/figures/figure2_classification",
    3: "results/figures/figure3_segmentation_severity",
    4: "results/figures/figure4_segmentation_cases",
    5: "results/figures/figure5_report_severity",
    6: "results/figures/figure6_report_cases",
    7: "results/figures/figure7_reliability",
    8: "results/figures/figure8_decision_curve",
    9: "results/figures/figure9_training",
    10: "results/figures/figure10_ablation",
    11: "results/figures/figure11_prompts",
}  # + .png, _dark.png (for dark pages) and .svg
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


def batch_names(count: int) -> list[str]:
    """Names of the batches of patients: "00", "01", ...

    >>> batch_names(3)
    ['00', '01', '02']
    """
    return [f"{index:02d}" for index in range(count)]
