# The raw cohort: made (phantom) or checked and listed (a real one).
rule cohort:
    output:
        files=layout.COHORT_FILES,
        # not the phantom's mark: Snakemake deletes outputs before a job, and without it the stage replaces nothing
        phantom=[f"{PARAMS.cohort.root}/Radiologists Report.xlsx"] if PARAMS.cohort.name == "phantom" else [],
        truth=layout.TRUTH,
        manifest=layout.MANIFEST.format(name="cohort"),
    params:
        code=code_hash("cohort"),
        settings=config["cohort"],
        seed=config["seed"],
        outside=OUTSIDE["cohort"],
    log: "logs/cohort.log",
    conda: "../envs/lss.yaml"
    threads: 8
    resources: **resources_of("cohort")
    shell: "lss cohort --threads {threads} 2>&1 | tee {log}"
