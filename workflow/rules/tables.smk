# Tables 1-6 of the paper, its values beside ours; grades by area, levels and tests.
rule tables:
    input:
        statistics=layout.STATISTICS,
        ablation=layout.ABLATION,
    output:
        csv=[
            report(f"{stem}.csv", category="Tables", caption=f"../report/table{number}.rst",
                   labels={"table": str(number)})
            for number, stem in layout.TABLES.items()
        ],
        markdown=[f"{stem}.md" for stem in layout.TABLES.values()],
        latex=[f"{stem}.tex" for stem in layout.TABLES.values()],
        manifest=layout.MANIFEST.format(name="tables"),
    params:
        code=code_hash("tables"),
        settings=config["tables"],
    log: "logs/tables.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("tables")
    shell: "lss tables 2>&1 | tee {log}"
