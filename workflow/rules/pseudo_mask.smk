# Report-conditioned pseudo-masks (Algorithm 1).
rule pseudo_mask:
    input:
        slices=layout.SLICES,
        split=slices_in_use,
        denoised=layout.DENOISED,
    output:
        masks=layout.PSEUDO_MASKS,
        manifest=layout.MANIFEST.format(name="pseudo_mask/batch-{batch}"),
    params:
        code=code_hash("pseudo_mask"),
        settings=config["pseudo_mask"],
    log: "logs/pseudo_mask/{batch}.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("pseudo_mask")
    shell: "lss pseudo_mask --batch {wildcards.batch} 2>&1 | tee {log}"


rule pseudo_mask_all:
    input: expand(rules.pseudo_mask.output, batch=BATCHES),
