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
