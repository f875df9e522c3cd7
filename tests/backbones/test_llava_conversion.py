"""LLaVA-Med's `llava_mistral` files, against an assembly of CLIP, projector and Mistral made by hand."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionConfig, CLIPVisionModel, MistralConfig, MistralForCausalLM

from lss.backbones import load_backbone
from lss.backbones.convert import llava_key, original_llava_key
from lss.backbones.llava_med import describe_vision_tower
from lss.errors import LssError

TOWER = "clip-vit-large-patch14-336"
TOWER_KEYS = "model.vision_tower.vision_tower.vision_model."


def load(folder):
    return load_backbone("llava_med", folder, quantise=False, device=torch.device("cpu"), dtype=torch.float32)


@pytest.fixture
def folder(checkpoints, tmp_path):
    return shutil.copytree(checkpoints / "llava_med", tmp_path / "llava_med")


def original_weights(folder):
    weights = {}
    for file in folder.glob("model-*.safetensors"):
        weights.update(load_file(file))
    return weights


def edit_config(path, **fields):
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, **fields}))


def strip(weights, prefix):
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


@torch.no_grad()
def test_logits_agree_with_an_assembly_of_the_original_files(folder):
    weights = original_weights(folder)
    config = json.loads((folder / "config.json").read_text())
    tower = CLIPVisionModel(
        CLIPVisionConfig(**json.loads((folder / TOWER / "config.json").read_text())["vision_config"])
    )
    tower.load_state_dict(strip(weights, TOWER_KEYS))
    fields = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
              "num_key_value_heads", "max_position_embeddings", "sliding_window")  # fmt: skip
    language = MistralForCausalLM(
        MistralConfig(
            **{field: config[field] for field in fields},
            rope_parameters={"rope_type": "default", "rope_theta": config["rope_theta"]},
        )
    )
    language.load_state_dict({k: v for k, v in weights.items() if "vision_tower" not in k and "mm_projector" not in k})
    projector = torch.nn.Sequential(torch.nn.Linear(96, 128), torch.nn.GELU(), torch.nn.Linear(128, 128))
    projector.load_state_dict(strip(weights, "model.mm_projector."))

    pixels = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    before, after = torch.tensor([[1, 40, 41]] * 2), torch.tensor([[50, 60, 70, 80]] * 2)
    features = projector(tower.eval()(pixels, output_hidden_states=True).hidden_states[-2][:, 1:])
    embed = language.get_input_embeddings()
    sequence = torch.cat([embed(before), features, embed(after)], dim=1)
    expected = language.eval()(inputs_embeds=sequence).logits

    backbone = load(folder)
    image_token = backbone.model.config.image_token_id
    ids = torch.cat([before, torch.full((2, features.shape[1]), image_token), after], dim=1)
    logits = backbone.model(input_ids=ids, pixel_values=pixels).logits
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    # and through the protocol
    tokens = backbone.project_patches(backbone.patch_tokens(pixels))
    prefix = torch.cat([backbone.embed_tokens(before), tokens, backbone.embed_tokens(after)], dim=1)
    torch.testing.assert_close(backbone.language_model(inputs_embeds=prefix).logits, expected, atol=1e-5, rtol=1e-5)


def test_key_names_are_the_published_ones(folder):
    names = set(original_weights(folder))
    patterns = (
        r"model\.embed_tokens\.weight",
        r"model\.layers\.\d+\..*",
        r"model\.norm\.weight",
        r"lm_head\.weight",
        r"model\.mm_projector\.[02]\.(weight|bias)",
        r"model\.vision_tower\.vision_tower\.vision_model\..*",
    )
    assert all(any(re.fullmatch(pattern, name) for pattern in patterns) for name in names)
    assert all(any(re.fullmatch(pattern, name) for name in names) for pattern in patterns)
    assert {original_llava_key(llava_key(name)) for name in names} == names


def test_a_missing_weight_is_named(folder):
    file = folder / "model-00002-of-00002.safetensors"
    weights = load_file(file)
    del weights["model.mm_projector.2.bias"]
    save_file(weights, file, {"format": "pt"})
    edit_config(folder / "model.safetensors.index.json")
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    del index["weight_map"]["model.mm_projector.2.bias"]
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(LssError, match=r"1 missing \(model\.multi_modal_projector\.linear_2\.bias\)"):
        load(folder)


def test_an_unexpected_weight_is_named(folder):
    file = folder / "model-00002-of-00002.safetensors"
    save_file({**load_file(file), "model.layers.9.extra.weight": torch.zeros(1)}, file, {"format": "pt"})
    with pytest.raises(LssError, match=r"1 unexpected \(.*layers\.9\.extra\.weight\)"):
        load(folder)


@pytest.mark.parametrize(
    ("field", "value"), [("model_type", "llava_llama"), ("mm_projector_type", "linear"), ("mm_hidden_size", 1024)]
)
def test_another_model_is_refused_by_its_field(folder, field, value):
    edit_config(folder / "config.json", **{field: value})
    with pytest.raises(LssError, match=rf"config\.json: {field}: is '?{value}'?"):
        load(folder)


class TestVisionTower:
    """The one within LLaVA-Med's files, or that of the folder named in `mm_vision_tower`: whichever is asked for."""

    @pytest.fixture
    def with_companion(self, folder):
        tower = strip(original_weights(folder), TOWER_KEYS)
        changed = {f"vision_model.{name}": value for name, value in tower.items()}
        changed["vision_model.embeddings.class_embedding"] = torch.ones(96)
        changed["text_model.final_layer_norm.bias"] = torch.zeros(8)  # the file is of the whole of CLIP
        save_file(changed, folder / TOWER / "model.safetensors", {"format": "pt"})
        return folder

    @staticmethod
    def ask_for(folder, choice):
        (folder / "manifest.json").write_text(json.dumps({"vision_tower": choice}))

    @staticmethod
    def class_embedding(backbone):
        return backbone.model.model.vision_tower.embeddings.class_embedding

    def test_the_checkpoints_own_unless_the_other_is_asked_for(self, with_companion):
        own = original_weights(with_companion)[f"{TOWER_KEYS}embeddings.class_embedding"]
        assert torch.equal(self.class_embedding(load(with_companion)), own)
        self.ask_for(with_companion, "clip")
        clip = load(with_companion)
        assert torch.equal(self.class_embedding(clip), torch.ones(96))
        assert len(clip.model.model.vision_tower.encoder.layers) == 2
        self.ask_for(with_companion, "checkpoint")
        assert torch.equal(self.class_embedding(load(with_companion)), own)
        self.ask_for(with_companion, "siglip")
        with pytest.raises(LssError, match="'siglip', should be checkpoint or clip"):
            load(with_companion)

    def test_the_difference_is_described(self, with_companion):
        message = describe_vision_tower(with_companion, "checkpoint")
        assert message == f"from the LLaVA-Med files; 1 of 55 tensors differ from those in {TOWER}, which are not used"
        assert describe_vision_tower(with_companion, "clip").startswith(f"from {TOWER}; 1 of 55 tensors differ")

    def test_the_checkpoints_own_may_be_absent_where_it_is_not_asked_for(self, with_companion):
        weights = {k: v for k, v in original_weights(with_companion).items() if "vision_tower" not in k}
        for file in with_companion.glob("model*"):
            file.unlink()
        save_file(weights, with_companion / "model.safetensors", {"format": "pt"})
        with pytest.raises(LssError, match=r"no weights of a vision tower.*vision_tower: checkpoint.*Set it to clip"):
            load(with_companion)
        self.ask_for(with_companion, "clip")
        assert torch.equal(self.class_embedding(load(with_companion)), torch.ones(96))

    def test_a_companion_without_weights_or_with_a_pickle_is_refused(self, folder):
        self.ask_for(folder, "clip")
        with pytest.raises(LssError, match=rf"{TOWER}: holds no \*\.safetensors.*vision_tower: clip"):
            load(folder)
        torch.save({"weight": torch.zeros(1)}, folder / TOWER / "pytorch_model.bin")
        with pytest.raises(LssError, match=rf"pytorch_model\.bin: is a pickled.*lss convert-weights {folder / TOWER}"):
            load(folder)

    @pytest.mark.parametrize("choice", ["checkpoint", "clip"])
    def test_every_tensor_is_used_or_named(self, with_companion, choice):
        """Against the files: what is not named lies in the model, bit for bit; what is named is not there."""
        self.ask_for(with_companion, choice)
        backbone = load(with_companion)
        held = backbone.model.state_dict()
        files = {file.name: load_file(file) for file in with_companion.glob("*.safetensors")}
        own = {f"{file}: {name}": (llava_key(name), value) for file, of in files.items() for name, value in of.items()}
        clip = {
            f"{TOWER}/model.safetensors: {name}": (name.replace("vision_model.", "model.vision_tower."), value)
            for name, value in load_file(with_companion / TOWER / "model.safetensors").items()
        }
        unused = set(backbone.unused)
        assert unused < own.keys() | clip.keys() and len(unused) == len(backbone.unused)
        loaded = {target: value for name, (target, value) in {**own, **clip}.items() if name not in unused}
        assert loaded.keys() <= held.keys() and all(torch.equal(held[key], value) for key, value in loaded.items())
        left = (
            clip if choice == "checkpoint" else {name: entry for name, entry in own.items() if "vision_tower" in name}
        )
        assert left.keys() < unused
        # beside the other tower: 16 of the layer after the one that features come from, and what CLIP says of text
        assert len(unused - left.keys()) == 16 + (choice == "clip")
