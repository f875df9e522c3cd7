# Non-local means on the slices in use (eq. 1-2).
rule denoise:
    input:
        slices=layout.SLICES,
        split=slices_in_use,
    output:
        denoised=layout.DENOISED,
        manifest=layout.MANIFEST.format(name="denoise/batch-{batch}"),
    params:
        code=code_hash("denoise"),
        settings=config["denoise"],
        of=options_of,
    log: "logs/denoise/{batch}.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("denoise")
    shell: "lss denoise {params.of} 2>&1 | tee {log}"


# The same of an external cohort.
use rule denoise as external_denoise with:
    input:
        slices=layout.of_external(layout.SLICES),
        split=layout.of_external(layout.USED),
    output:
        denoised=layout.of_external(layout.DENOISED),
        manifest=layout.of_external(layout.MANIFEST.format(name="denoise/batch-{batch}")),
    log: "logs/denoise/external-{external}-{batch}.log"


rule denoise_all:
    input:
        expand(rules.denoise.output, batch=BATCHES),
        of_externals(layout.MANIFEST.format(name="denoise/batch-{batch}")),
