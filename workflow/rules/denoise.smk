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
    log: "logs/denoise/{batch}.log",
    conda: "../envs/lss.yaml"
    threads: 1
    resources: **resources_of("denoise")
    shell: "lss denoise --batch {wildcards.batch} 2>&1 | tee {log}"


rule denoise_all:
    input: expand(rules.denoise.output, batch=BATCHES),
