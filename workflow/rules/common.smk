# What rules read that depends on their wildcards, or is known only once a checkpoint is done.
def cohort_of(wildcards):
    """The section `cohort` of a job: of an external cohort its own."""
    return of_cohort(PARAMS, dict(wildcards.items()).get("external")).cohort


def of_externals(pattern, **names):
    """All files of the external cohorts of this pattern, by batch, or by the names given."""
    names = names or {"batch": BATCHES}
    return [path for cohort in PARAMS.external for path in expand(layout.of_external(pattern, cohort.label), **names)]


def segmentation_model(wildcards):
    """What the report task needs of the segmentation model; nothing for the other tasks."""
    run, trial = base_run(PARAMS.train, run_of(wildcards)), trial_of(PARAMS, wildcards)
    paths = (layout.MODEL_CONFIG, layout.MODEL_WEIGHTS) if run else ()
    return [of_trial(PARAMS, trial, path, **run._asdict()) for path in paths]


def backbone_weights(wildcards):
    """The backbone's checkpoint; a baseline has none."""
    return layout.WEIGHTS_READY if wildcards.backbone in BACKBONES else []


def batch_state(wildcards):
    """One hash over what the batch is read from, once the cohort is in place."""
    checkpoints.cohort.get()
    return layout.COHORT_BATCH.format(batch=wildcards.batch)


def slices_in_use(wildcards):
    """Which slices of a batch are in use, once all are dealt."""
    checkpoints.split.get()
    return layout.USED.format(batch=wildcards.batch)


def part_of_split(wildcards):
    """The subset of each slice of a batch, once all are dealt."""
    checkpoints.split.get()
    return layout.SPLIT_BATCH.format(batch=wildcards.batch)
