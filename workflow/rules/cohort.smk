# The raw cohort: made (phantom) or checked and listed (a real one). A checkpoint, after which it is known of which
# batches the files or notes have changed: the others are not read again.
checkpoint cohort:
    output:
        files=layout.COHORT_FILES,
        # not the phantom's mark: Snakemake deletes outputs before a job, and without it the stage replaces nothing
        phantom=[f"{PARAMS.cohort.root}/Radiologists Report.xlsx"] if PARAMS.cohort.name == "phantom" else [],
        states=expand(layout.COHORT_BATCH, batch=BATCHES),
        truth=layout.TRUTH,
        manifest=layout.MANIFEST.format(name="cohort"),
    params:
        code=code_hash("cohort"),
        settings=PARAMS.cohort.model_dump(mode="json"),
        seed=config["seed"],
        outside=OUTSIDE["cohort"],
        pseudonyms=OUTSIDE["ingest"],  # by which patients are dealt into batches
    log: "logs/cohort.log",
    conda: "../envs/lss.yaml"
    threads: 8
    resources: **resources_of("cohort")
    shell: "lss cohort --threads {threads} 2>&1 | tee {log}"


# An external cohort: no checkpoint, since it is not read again but as a whole. Its phantom's files are no outputs, as
# those of an archive are none; nor are those of a phantom among several archives that are one cohort.
rule external_cohort:
    output:
        files=layout.EXTERNAL_FILES,
        states=expand(layout.of_external(layout.COHORT_BATCH), batch=BATCHES, allow_missing=True),
        truth=layout.EXTERNAL_TRUTH,
        manifest=layout.MANIFEST.format(name="cohort/external/{external}"),
    params:
        code=code_hash("cohort"),
        outside=OUTSIDE["external"],
        seed=config["seed"],
    log: "logs/cohort/external-{external}.log",
    conda: "../envs/lss.yaml"
    threads: 8
    resources: **resources_of("cohort")
    shell: "lss cohort --external {wildcards.external} --threads {threads} 2>&1 | tee {log}"


rule cohort_all:
    input:
        rules.cohort.output.manifest,
        [rules.external_cohort.output.manifest.format(external=cohort.label) for cohort in PARAMS.external],
