# Cropped, balanced, augmented training shards.
rule shards:
    input:
        slices=layout.SLICES,
        split=part_of_split,
        denoised=layout.DENOISED,
        masks=layout.PSEUDO_MASKS,
    output:
        shards=[layout.SHARD.replace("{subset}", subset) for subset in layout.SUBSETS],
        manifest=layout.MANIFEST.format(name="shards/batch-{batch}"),
    params:
        code=code_hash("shards"),
        settings=config["shards"],
        seed=config["seed"],
    log: "logs/shards/{batch}.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("shards")
    shell: "lss shards --batch {wildcards.batch} 2>&1 | tee {log}"


rule shards_all:
    input: expand(rules.shards.output, batch=BATCHES),
