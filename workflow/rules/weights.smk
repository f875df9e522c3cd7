# Checkpoints of the backbones: tiny ones made here, or the published ones that `lss fetch weights` brought.
rule weights:
    output:
        ready=layout.WEIGHTS_READY,
        manifest=layout.MANIFEST.format(name="weights/{backbone}"),
    params:
        code=code_hash("weights"),
        settings=config["weights"],
        seed=config["seed"],
        published=lambda wildcards: published_files(PARAMS.weights, wildcards.backbone),
    log: "logs/weights/{backbone}.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("weights")
    shell: "lss weights --backbone {wildcards.backbone} 2>&1 | tee {log}"


rule weights_all:
    input: expand(rules.weights.output, backbone=PARAMS.train.backbones),
