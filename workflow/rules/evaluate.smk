# Metrics, intervals, tests, baselines, agreement.
rule evaluate:
    input:
        predictions=[layout.PREDICTIONS.format(**run._asdict()) for run in RUNS],
        shards=expand(layout.SHARD, subset=layout.SUBSETS, batch=BATCHES),
        truth=layout.TRUTH,
        manifests=[
            rules.cohort.output.manifest,
            [rules.train.output.manifest.format(**run._asdict()) for run in RUNS],
        ],
    output:
        cases=expand(layout.CASES, task=TASKS),
        metrics=report(layout.METRICS, category="Numbers"),
        statistics=layout.STATISTICS,
        manifest=layout.MANIFEST.format(name="evaluate"),
    params:
        code=code_hash("evaluate"),
        settings=config["evaluate"],
        seed=config["seed"],
    log: "logs/evaluate.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("evaluate")
    shell: "lss evaluate 2>&1 | tee {log}"
