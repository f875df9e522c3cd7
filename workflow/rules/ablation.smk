# Losses, fusions and a plain U-Net compared. Without repeats there is nothing to train, and the comparison is empty.
rule ablation_arm:
    input:
        shards=expand(layout.SHARD, subset=layout.SUBSETS, batch=BATCHES),
        weights=backbone_weights,
        truth=layout.TRUTH,
    output:
        cases=layout.ABLATION_CASES,
        epochs=layout.ABLATION_EPOCHS,
        manifest=layout.MANIFEST.format(name="ablation/{backbone}-{fusion}-{repeat}"),
    params:
        code=code_hash("ablation"),
        settings=lambda wildcards: arm_settings(
            PARAMS.train, Arm(*wildcards), losses_of(PARAMS.ablation, wildcards.backbone, wildcards.fusion)
        ),
        losses=lambda wildcards: losses_of(PARAMS.ablation, wildcards.backbone, wildcards.fusion),
        seed=config["seed"],
    log: "logs/ablation/{backbone}-{fusion}-{repeat}.log",
    conda: "../envs/lss.yaml"
    threads: PARAMS.execution.threads
    resources: **resources_of("ablation_arm")
    # SIGTERM: see rule train
    shell:
        "trap : TERM; lss ablation --backbone {wildcards.backbone} --fusion {wildcards.fusion}"
        " --repeat {wildcards.repeat} 2>&1 | (trap '' TERM; tee {log})"


rule ablation:
    input:
        cases=[layout.ABLATION_CASES.format(**arm._asdict()) for arm in ARMS],
        epochs=[layout.ABLATION_EPOCHS.format(**arm._asdict()) for arm in ARMS],
        # what the arms are made from, stated for the case that there are none: DVC has one stage for both rules
        shards=rules.ablation_arm.input.shards,
        weights=expand(layout.WEIGHTS_READY, backbone=PARAMS.train.backbones),
        truth=layout.TRUTH,
    output:
        comparison=layout.ABLATION,
        manifest=layout.MANIFEST.format(name="ablation/comparison"),
    params:
        code=code_hash("ablation"),
        settings=config["ablation"],
        arms=[arm_settings(PARAMS.train, arm, losses_of(PARAMS.ablation, arm.backbone, arm.fusion)) for arm in ARMS],
        evaluation=config["evaluate"],
        seed=config["seed"],
    log: "logs/ablation/comparison.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("ablation")
    shell: "lss ablation 2>&1 | tee {log}"
