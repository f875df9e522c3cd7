# One self-contained page with everything.
rule page:
    input:
        statistics=layout.STATISTICS,
        tables=[f"{stem}.csv" for stem in layout.TABLES.values()],
        figures=[f"{stem}.png" for stem in layout.FIGURES.values()],
        cases=expand(layout.CASES, task=["classification", "segmentation", "report"]),
        predictions=[layout.PREDICTIONS.format(**run._asdict()) for run in RUNS],
        shards=expand(layout.SHARD, subset="test", batch=BATCHES),
        manifests=stage_manifests(PARAMS),
        code=code_of("page"),
    output:
        page=report(layout.PAGE, category="Page", caption="../report/page.rst"),
        manifest=layout.MANIFEST.format(name="page"),
    params:
        settings=config["page"],
    log: "logs/page.log",
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    shell: "lss page 2>&1 | tee {log}"
