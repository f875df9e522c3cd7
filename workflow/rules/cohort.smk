# The raw cohort: made (phantom) or checked and listed (a real one).
rule cohort:
    input:
        code=code_of("cohort"),
    output:
        files=layout.COHORT_FILES.format(root=PARAMS.cohort.root),
        truth=layout.TRUTH,
        manifest=layout.MANIFEST.format(name="cohort"),
    params:
        settings=config["cohort"],
        seed=config["seed"],
    log: "logs/cohort.log",
    threads: 2
    resources:
        mem_mb=4000,
        runtime=60,
    shell: "lss cohort 2>&1 | tee {log}"
