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
        settings=lambda wildcards: training_settings(PARAMS.train, Run(*wildcards)),  # its own, no other task's
        seed=config["seed"],
    log: "logs/train/{backbone}-{task}-{loss}.log",
    conda: "../envs/lss.yaml"
    threads: PARAMS.execution.threads * PARAMS.execution.processes
    resources: **resources_of("train")
    shell:
        "lss train --backbone {wildcards.backbone} --task {wildcards.task} --loss {wildcards.loss} 2>&1 | tee {log}"


rule train_all:
    input: [expand(rules.train.output, **run._asdict()) for run in RUNS],
