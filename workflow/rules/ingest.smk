# Raw files of a batch of patients -> slice table and rejects.
rule ingest:
    input:
        files=layout.COHORT_FILES,
        phantom=rules.cohort.output.phantom,
    output:
        slices=layout.SLICES,
        rejects=layout.REJECTS,
        manifest=layout.MANIFEST.format(name="ingest/batch-{batch}"),
    params:
        code=code_hash("ingest"),
        cohort=config["cohort"],
        settings=config["ingest"],
        seed=config["seed"],
        outside=OUTSIDE["ingest"],
    log: "logs/ingest/{batch}.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("ingest")
    shell: "lss ingest --batch {wildcards.batch} 2>&1 | tee {log}"


rule ingest_all:
    input: expand(rules.ingest.output, batch=BATCHES),
