# Each model on the test part.
rule predict:
    input:
        shards=expand(layout.SHARD, subset="test", batch=BATCHES),
        backbone=backbone_weights,
        config=layout.MODEL_CONFIG,
        weights=layout.MODEL_WEIGHTS,
    output:
        predictions=layout.PREDICTIONS,
        manifest=layout.MANIFEST.format(name="predict/{backbone}-{task}-{loss}"),
    params:
        code=code_hash("predict"),
        settings=lambda wildcards: prediction_settings(PARAMS.predict, wildcards.task),
        of=options_of,
        seed=config["seed"],
    log: "logs/predict/{backbone}-{task}-{loss}.log",
    conda: "../envs/lss.yaml"
    threads: PARAMS.execution.threads
    resources: **resources_of("predict")
    shell: "lss predict {params.of} 2>&1 | tee {log}"


# The same on another fold, or from other initial weights.
use rule predict as trial_predict with:
    input:
        shards=lambda wildcards: expand(fold_shard(PARAMS, int(wildcards.fold)), subset="test", batch=BATCHES),
        backbone=backbone_weights,
        config=layout.of_trial(layout.MODEL_CONFIG),
        weights=layout.of_trial(layout.MODEL_WEIGHTS),
    output:
        predictions=layout.of_trial(layout.PREDICTIONS),
        manifest=layout.of_trial(layout.MANIFEST.format(name=f"predict/{layout.MODEL_NAME}")),
    log: "logs/predict/fold-{fold}-repeat-{repeat}/{backbone}-{task}-{loss}.log"


# The same on an external cohort.
use rule predict as external_predict with:
    input:
        shards=expand(layout.of_external(layout.SHARD), subset="test", batch=BATCHES, allow_missing=True),
        backbone=backbone_weights,
        config=layout.MODEL_CONFIG,
        weights=layout.MODEL_WEIGHTS,
    output:
        predictions=layout.of_external(layout.PREDICTIONS),
        manifest=layout.of_external(layout.MANIFEST.format(name=f"predict/{layout.MODEL_NAME}")),
    log: "logs/predict/external-{external}/{backbone}-{task}-{loss}.log"


rule predict_all:
    input:
        [path for run in EVALUATED for path in of_externals(layout.PREDICTIONS, **run._asdict())],
        [expand(rules.predict.output, **run._asdict()) for run in RUNS],
        [expand(rules.trial_predict.output, **trial._asdict(), **run._asdict()) for trial in TRIALS[1:] for run in RUNS],
