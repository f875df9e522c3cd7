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
        cohort=lambda wildcards: reading_settings(PARAMS.cohort if "external" not in wildcards.keys() else cohort_of(wildcards)),
        settings=config["ingest"],
        seed=config["seed"],
        outside=OUTSIDE["ingest"],
        of=options_of,
    log: "logs/ingest/{batch}.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("ingest")
    shell: "lss ingest {params.of} 2>&1 | tee {log}"


# The same of an external cohort.
use rule ingest as external_ingest with:
    input:
        state=layout.of_external(layout.COHORT_BATCH),
    output:
        slices=layout.of_external(layout.SLICES),
        rejects=layout.of_external(layout.REJECTS),
        manifest=layout.of_external(layout.MANIFEST.format(name="ingest/batch-{batch}")),
    log: "logs/ingest/external-{external}-{batch}.log"


rule ingest_all:
    input:
        expand(rules.ingest.output, batch=BATCHES),
        of_externals(layout.MANIFEST.format(name="ingest/batch-{batch}")),
