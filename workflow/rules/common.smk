# What several rules read depends on their wildcards in the same way.
def segmentation_model(wildcards):
    """What the report task needs of the segmentation model; nothing for the other tasks."""
    if wildcards.task != "report":
        return []
    run = segmentation_run(PARAMS.train, wildcards.backbone)._asdict()
    return [layout.MODEL_CONFIG.format(**run), layout.MODEL_WEIGHTS.format(**run)]


def backbone_weights(wildcards):
    """The backbone's checkpoint; a baseline has none."""
    return layout.WEIGHTS_READY if wildcards.backbone in BACKBONES else []
