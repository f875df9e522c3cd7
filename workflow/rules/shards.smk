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
        of=options_of,
        seed=config["seed"],
    log: "logs/shards/{batch}.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("shards")
    shell: "lss shards {params.of} 2>&1 | tee {log}"


# The same where another fold is tested.
use rule shards as fold_shards with:
    output:
        shards=[layout.FOLD_SHARD.replace("{subset}", subset) for subset in layout.SUBSETS],
        manifest=layout.MANIFEST.format(name="shards/fold-{fold}/batch-{batch}"),
    log: "logs/shards/fold-{fold}-{batch}.log"


# An external cohort's test part, which is all of it.
use rule shards as external_shards with:
    input:
        slices=layout.of_external(layout.SLICES),
        split=layout.of_external(layout.SPLIT_BATCH),
        denoised=layout.of_external(layout.DENOISED),
        masks=layout.of_external(layout.PSEUDO_MASKS),
    output:
        shards=layout.of_external(layout.SHARD).replace("{subset}", "test"),
        manifest=layout.of_external(layout.MANIFEST.format(name="shards/batch-{batch}")),
    log: "logs/shards/external-{external}-{batch}.log"


rule shards_all:
    input:
        expand(rules.shards.output, batch=BATCHES),
        expand(rules.fold_shards.output, batch=BATCHES, fold=further_folds(PARAMS)),
        of_externals(layout.MANIFEST.format(name="shards/batch-{batch}")),
