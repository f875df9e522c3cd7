# One self-contained page with everything; a card per model and a data sheet.
rule page:
    input:
        statistics=layout.STATISTICS,
        ablation=layout.ABLATION,
        tables=[f"{stem}.csv" for stem in layout.TABLES.values()],
        figures=[f"{stem}{of}.png" for stem in layout.FIGURES.values() for of in ("", "_dark")],
        cases=expand(layout.CASES, task=CASE_TASKS),
        predictions=[layout.PREDICTIONS.format(**run._asdict()) for run in EVALUATED],
        shards=expand(layout.SHARD, subset="test", batch=BATCHES),
        manifests=layout.of_first_trial(stage_manifests(PARAMS)),
    output:
        page=report(layout.PAGE, category="Page", caption="../report/page.rst"),
        cards=[
            report(path, category="Cards", caption="../report/card.rst")
            for path in [layout.DATA_SHEET, *(layout.MODEL_CARD.format(**run._asdict()) for run in EVALUATED)]
        ],
        manifest=layout.MANIFEST.format(name="page"),
    params:
        code=code_hash("page"),
        settings=config["page"],
    log: "logs/page.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("page")
    shell: "lss page 2>&1 | tee {log}"
