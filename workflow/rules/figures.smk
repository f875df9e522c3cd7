# Figures 2-6 of the paper, calibration and training curves; the latter also as tables for `dvc plots`.
rule figures:
    input:
        statistics=layout.STATISTICS,
        ablation=layout.ABLATION,
        cases=expand(layout.CASES, task=CASE_TASKS),
        predictions=[layout.PREDICTIONS.format(**run._asdict()) for run in EVALUATED],
        shards=expand(layout.SHARD, subset="test", batch=BATCHES),
        epochs=[layout.EPOCHS.format(**run._asdict()) for run in EVALUATED],
    output:
        png=[
            report(f"{stem}.png", category="Figures", caption=f"../report/figure{number}.rst",
                   labels={"figure": str(number)})
            for number, stem in layout.FIGURES.items()
        ],
        dark=[f"{stem}_dark.png" for stem in layout.FIGURES.values()],
        svg=[f"{stem}.svg" for stem in layout.FIGURES.values()],
        plots=list(layout.PLOTS.values()),
        manifest=layout.MANIFEST.format(name="figures"),
    params:
        code=code_hash("figures"),
        settings=config["figures"],
    log: "logs/figures.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("figures")
    shell: "lss figures 2>&1 | tee {log}"
