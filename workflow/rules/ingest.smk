# Raw files of a batch of patients -> slice table and rejects.
rule ingest:
    input:
        state=batch_state,
        phantom=ancient(rules.cohort.output.phantom),  # to be there; of what has changed in it the state tells
    output:
        slices=layout.SLICES,
        rejects=layout.REJECTS,
        manifest=layout.MANIFEST.format(name="ingest/batch-{batch}"),
    params:
        code=code_hash("ingest"),
        cohort=reading_settings(PARAMS.cohort),
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
