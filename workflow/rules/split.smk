# Patients -> train, val, test, with the gate against leakage.
# A checkpoint, after which it is known which batches it has changed: the others are not denoised and masked again.
checkpoint split:
    input:
        slices=expand(layout.SLICES, batch=BATCHES),
        rejects=expand(layout.REJECTS, batch=BATCHES),
    output:
        split=layout.SPLIT,
        parts=expand(layout.SPLIT_BATCH, batch=BATCHES),
        used=expand(layout.USED, batch=BATCHES),
        rejects=layout.ALL_REJECTS,
        manifest=layout.MANIFEST.format(name="split"),
    params:
        code=code_hash("split"),
        settings=config["split"],
        seed=config["seed"],
        outside=OUTSIDE["split"],
    log: "logs/split.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("split")
    shell: "lss split 2>&1 | tee {log}"


# All of an external cohort is test part; nobody of it may stand in the cohort that is trained on.
rule external_split:
    input:
        slices=expand(layout.of_external(layout.SLICES), batch=BATCHES, allow_missing=True),
        rejects=expand(layout.of_external(layout.REJECTS), batch=BATCHES, allow_missing=True),
        training_split=layout.SPLIT,
        training_slices=expand(layout.SLICES, batch=BATCHES),
    output:
        split=layout.EXTERNAL_SPLIT,
        parts=expand(layout.of_external(layout.SPLIT_BATCH), batch=BATCHES, allow_missing=True),
        used=expand(layout.of_external(layout.USED), batch=BATCHES, allow_missing=True),
        rejects=layout.EXTERNAL_ALL_REJECTS,
        manifest=layout.MANIFEST.format(name="split/external/{external}"),
    params:
        code=code_hash("split"),
        settings=config["split"],
        seed=config["seed"],
    log: "logs/split/external-{external}.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("split")
    shell: "lss split --external {wildcards.external} 2>&1 | tee {log}"


rule split_all:
    input:
        rules.split.output.manifest,
        [rules.external_split.output.manifest.format(external=cohort.label) for cohort in PARAMS.external],
