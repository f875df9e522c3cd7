# All folds and repeats pooled. Of one fold and one repeat nothing is to be pooled, and the comparison is empty.
POOLED = TRIALS if len(TRIALS) > 1 else []


rule pool_folds:
    input:
        predictions=[of_trial(PARAMS, trial, layout.PREDICTIONS, **run._asdict()) for trial in POOLED for run in EVALUATED],
        shards=[
            expand(fold_shard(PARAMS, fold), subset=["train", "test"], batch=BATCHES)
            for fold in dict.fromkeys(trial.fold for trial in POOLED)
        ],
        truth=[layout.TRUTH] if POOLED else [],
    output:
        comparison=layout.CROSS_VALIDATION,
        manifest=layout.MANIFEST.format(name="evaluate/folds"),
    params:
        code=code_hash("evaluate"),
        settings=config["evaluate"],
        seed=config["seed"],
    log: "logs/evaluate/folds.log"
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("pool_folds")
    shell: "lss evaluate --folds 2>&1 | tee {log}"


# External cohorts beside the test part, and the archives of a cohort of several. Not asked for where there are none.
rule compare_external:
    input:
        predictions=[layout.PREDICTIONS.format(**run._asdict()) for run in EVALUATED],
        external=[path for run in EVALUATED for path in of_externals(layout.PREDICTIONS, **run._asdict())],
        shards=expand(layout.SHARD, subset=["train", "test"], batch=BATCHES),
        external_shards=of_externals(layout.SHARD, subset="test", batch=BATCHES),
        slices=expand(layout.SLICES, batch=BATCHES) if PARAMS.cohort.labels else [],  # which say whose patient each is
    output:
        comparison=layout.EXTERNAL,
        manifest=layout.MANIFEST.format(name="evaluate/external"),
    params:
        code=code_hash("evaluate"),
        outside=OUTSIDE["external"],  # which cohorts there are
        settings=config["evaluate"],
        seed=config["seed"],
    log: "logs/evaluate/external.log"
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("compare_external")
    shell: "lss evaluate --externals 2>&1 | tee {log}"


# Metrics, intervals, tests, baselines, agreement.
rule evaluate:
    input:
        predictions=[layout.PREDICTIONS.format(**run._asdict()) for run in EVALUATED],
        shards=expand(layout.SHARD, subset=layout.SUBSETS, batch=BATCHES),
        truth=layout.TRUTH,
        folds=rules.pool_folds.output.comparison,
        external=[layout.EXTERNAL] if tested_apart(PARAMS) else [],
        manifests=[
            rules.cohort.output.manifest,
            [rules.train.output.manifest.format(**run._asdict()) for run in EVALUATED],
        ],
    output:
        cases=expand(layout.CASES, task=CASE_TASKS),
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
