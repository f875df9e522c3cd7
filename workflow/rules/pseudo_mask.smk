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
        of=options_of,
    log: "logs/pseudo_mask/{batch}.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("pseudo_mask")
    shell: "lss pseudo_mask {params.of} 2>&1 | tee {log}"


# The same of an external cohort.
use rule pseudo_mask as external_pseudo_mask with:
    input:
        slices=layout.of_external(layout.SLICES),
        split=layout.of_external(layout.USED),
        denoised=layout.of_external(layout.DENOISED),
    output:
        masks=layout.of_external(layout.PSEUDO_MASKS),
        manifest=layout.of_external(layout.MANIFEST.format(name="pseudo_mask/batch-{batch}")),
    log: "logs/pseudo_mask/external-{external}-{batch}.log"


rule pseudo_mask_all:
    input:
        expand(rules.pseudo_mask.output, batch=BATCHES),
        of_externals(layout.MANIFEST.format(name="pseudo_mask/batch-{batch}")),
