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
        seed=config["seed"],
    log: "logs/predict/{backbone}-{task}-{loss}.log",
    conda: "../envs/lss.yaml"
    threads: PARAMS.execution.threads
    resources: **resources_of("predict")
    shell:
        "lss predict --backbone {wildcards.backbone} --task {wildcards.task} --loss {wildcards.loss} 2>&1 | tee {log}"


rule predict_all:
    input: [expand(rules.predict.output, **run._asdict()) for run in RUNS],
