"""All backbones, one record each. Light: settings, paths and messages read it, and a backbone itself imports torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from lss.errors import LssError


@dataclass(frozen=True)
class BackboneRecord:
    """One vision-language backbone.

    Attributes:
        name: in params.yaml, where it has a sub-section of `weights`, and in paths.
        label: as it is printed.
        loader: `module:class` of its subclass of `lss.backbones.base.Backbone`.
        tiny: `module:function` that writes a small random checkpoint in its published format into a folder.
        companion: where a published checkpoint names the repository that it needs beside its own: file, path of keys;
            empty where it needs none.
        chooses_vision_tower: whether `weights.NAME.vision_tower` says which vision tower it gets.
        licences: of its published checkpoints and their companions, by id on the hub.
    """

    name: str
    label: str
    loader: str
    tiny: str
    companion: tuple[str, tuple[str, ...]] | tuple[()] = ()
    chooses_vision_tower: bool = False
    licences: dict[str, str] = field(default_factory=dict)


BACKBONES = (
    BackboneRecord(
        "biomedclip",
        "BiomedCLIP",
        "lss.backbones.biomedclip:BiomedClip",
        "lss.backbones.tiny_checkpoints:write_biomedclip",
        ("open_clip_config.json", ("model_cfg", "text_cfg", "hf_model_name")),
        licences={
            "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224": "MIT; its card: for research",
            "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract": "MIT",
        },
    ),
    BackboneRecord(
        "smolvlm",
        "SmolVLM",
        "lss.backbones.smolvlm:SmolVlm",
        "lss.backbones.tiny_checkpoints:write_smolvlm",
        licences={
            "HuggingFaceTB/SmolVLM-256M-Instruct": "Apache-2.0",
            "HuggingFaceTB/SmolVLM-500M-Instruct": "Apache-2.0",
            "HuggingFaceTB/SmolVLM-Instruct": "Apache-2.0",
        },
    ),
    BackboneRecord(
        "llava_med",
        "LLaVA-Med",
        "lss.backbones.llava_med:LlavaMed",
        "lss.backbones.tiny_checkpoints:write_llava_med",
        ("config.json", ("mm_vision_tower",)),
        chooses_vision_tower=True,
        licences={"microsoft/llava-med-v1.5-mistral-7b": "Mistral's licence; its card: for research only"},
    ),
)
"""In the order in which messages list them."""


def backbone_names() -> list[str]:
    """Return names of all backbones."""
    return [record.name for record in BACKBONES]


def backbone_record(name: str) -> BackboneRecord:
    """Return the record of a backbone. Raises LssError for an unknown name."""
    for record in BACKBONES:
        if record.name == name:
            return record
    raise LssError(f"params.yaml: train.backbones: no backbone '{name}'. There are: {', '.join(backbone_names())}.")
