include: "workflow/Snakefile"


localrules:
    all,


rule all:
    input:
        layout.PAGE,
        layout.METRICS,
        [f"{stem}.csv" for stem in layout.TABLES.values()],
        [f"{stem}.png" for stem in layout.FIGURES.values()],
