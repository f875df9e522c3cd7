# One training per backbone, task and loss. The report model builds on the backbone's segmentation model.
rule train:
    input:
        shards=expand(layout.SHARD, subset=["train", "val"], batch=BATCHES),
        weights=backbone_weights,
        segmentation=segmentation_model,
    output:
        config=layout.MODEL_CONFIG,
        weights=layout.MODEL_WEIGHTS,
        epochs=report(layout.EPOCHS, category="Training", labels={"model": "{backbone} {task} {loss}"}),
        manifest=layout.MANIFEST.format(name="train/{backbone}-{task}-{loss}"),
    params:
        code=code_hash("train"),
        settings=lambda wildcards: training_settings(PARAMS.train, run_of(wildcards)),  # its own, no other task's
        of=options_of,
        cohort=PARAMS.cohort.title,  # which the model's card names
        seed=config["seed"],
    log: "logs/train/{backbone}-{task}-{loss}.log",
    conda: "../envs/lss.yaml"
    threads: PARAMS.execution.threads * PARAMS.execution.processes
    resources: **resources_of("train")
    # SIGTERM gives notice of a coming end: the training writes a checkpoint, the shell and tee outlast it
    shell: "trap : TERM; lss train {params.of} 2>&1 | (trap '' TERM; tee {log})"


# The same on another fold, or from other initial weights.
use rule train as trial_train with:
    input:
        shards=lambda wildcards: expand(fold_shard(PARAMS, int(wildcards.fold)), subset=["train", "val"], batch=BATCHES),
        weights=backbone_weights,
        segmentation=segmentation_model,
    output:
        config=layout.of_trial(layout.MODEL_CONFIG),
        weights=layout.of_trial(layout.MODEL_WEIGHTS),
        epochs=layout.of_trial(layout.EPOCHS),
        manifest=layout.of_trial(layout.MANIFEST.format(name=f"train/{layout.MODEL_NAME}")),
    log: "logs/train/fold-{fold}-repeat-{repeat}/{backbone}-{task}-{loss}.log"


rule train_all:
    input:
        [expand(rules.train.output, **run._asdict()) for run in RUNS],
        [expand(rules.trial_train.output, **trial._asdict(), **run._asdict()) for trial in TRIALS[1:] for run in RUNS],
