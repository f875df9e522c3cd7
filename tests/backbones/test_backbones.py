"""One suite that every backbone passes."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import CLIPVisionModel

from lss.backbones import NAMES, load_backbone
from lss.backbones.qlora import adapter_parameters, add_adapters, load_adapters, quantised_modules, save_adapters
from lss.errors import LssError

GENERATIVE = ("smolvlm", "llava_med")


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def tower_called_directly(backbone, images):
    """Patch tokens by another way than `patch_tokens`."""
    if backbone.name == "biomedclip":
        captured = []
        handle = backbone.model.visual.trunk.norm.register_forward_hook(lambda *call: captured.append(call[2]))
        backbone.model.encode_image(images)
        handle.remove()
        return captured[0][:, 1:]
    if backbone.name == "smolvlm":
        return backbone.model.get_image_features(images[:, None]).last_hidden_state
    # LLaVA drops its tower's last layer when loading; this tower still has it
    config = copy.deepcopy(backbone.model.config.vision_config)
    config.num_hidden_layers += 1
    whole = CLIPVisionModel(config).eval()
    result = whole.load_state_dict(backbone.model.model.vision_tower.state_dict(), strict=False)
    assert {key.split(".")[2] for key in result.missing_keys} == {str(config.num_hidden_layers - 1)}
    return whole(images, output_hidden_states=True).hidden_states[-2][:, 1:]


@torch.no_grad()
def test_patch_tokens_are_the_towers_without_cls(name, load, images):
    backbone = load(name)
    batch = images(backbone)
    tokens = backbone.patch_tokens(batch)
    assert tokens.shape == (2, backbone.grid[0] * backbone.grid[1], backbone.width)
    assert tokens.dtype == torch.float32
    torch.testing.assert_close(tokens, tower_called_directly(backbone, batch))


@torch.no_grad()
def test_token_order_is_row_by_row(name, load, images):
    backbone = load(name)
    batch = images(backbone, 1)
    rows, columns = backbone.grid
    patch = backbone.image_size // rows
    row, column = 3, 7
    changed = batch.clone()
    changed[..., row * patch : (row + 1) * patch, column * patch : (column + 1) * patch] += 1
    difference = (backbone.patch_tokens(changed) - backbone.patch_tokens(batch)).norm(dim=-1)[0]
    assert difference.argmax() == row * columns + column


def test_normalise_grey_value(load, name):
    backbone = load(name)
    image = torch.full((1, backbone.image_size, backbone.image_size), 0.75)
    red = backbone.normalise(image)[0, 0, 0, 0].item()
    # OpenAI's CLIP constants; SigLIP's are 0.5 and 0.5
    assert red == pytest.approx(0.5 if name == "smolvlm" else (0.75 - 0.48145466) / 0.26862954)


@torch.no_grad()
def test_prompt_embeddings_do_not_depend_on_the_other_prompts(name, load):
    backbone = load(name)
    prompts = ["Normal thecal sac.", "Severe thecal sac compression at L4-L5 with crowding of the nerve roots."]
    together = backbone.prompt_embeddings(prompts)
    assert together.shape == (2, backbone.text_width)
    assert together.dtype == torch.float32
    torch.testing.assert_close(together[:1], backbone.prompt_embeddings(prompts[:1]), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=1e-2)
    empty, _ = backbone.prompt_embeddings(["", prompts[1]])  # a control's: of every tokenizer a vector
    torch.testing.assert_close(empty, backbone.prompt_embeddings([""])[0], atol=1e-5, rtol=1e-4)
    assert empty.isfinite().all() and not torch.allclose(empty, together[0], atol=1e-2)


@torch.no_grad()
@pytest.mark.parametrize("quantise", [False, True])
def test_loading_twice_gives_the_same_tokens(name, quantise, load, images):
    first, second = load(name, quantise), load(name, quantise)
    batch = images(first)
    assert torch.equal(first.patch_tokens(batch), second.patch_tokens(batch))


@torch.no_grad()
def test_quantised_tokens_are_near_but_not_equal(name, load, images):
    exact, quantised = load(name), load(name, quantise=True)
    batch = images(exact)
    difference = quantised.patch_tokens(batch) - exact.patch_tokens(batch)
    share = (difference.norm() / exact.patch_tokens(batch).norm()).item()
    assert 0 < share < 0.15


def test_everything_is_frozen_after_loading(name, load):
    assert adapter_parameters(load(name, quantise=True)) == []


@pytest.mark.parametrize("quantise", [False, True])
def test_gradient_reaches_every_adapter_and_nothing_else(name, quantise, load, images):
    backbone = load(name, quantise)
    parameters = add_adapters(backbone, ("vision",), rank=2, alpha=4, dropout=0.0)
    with torch.no_grad():
        for parameter in parameters:  # B starts at zero, which hides A's gradient
            parameter.normal_(std=0.02, generator=torch.Generator().manual_seed(1))
    backbone.patch_tokens(images(backbone)).square().mean().backward()
    with_gradient = {key for key, value in backbone.named_parameters() if value.grad is not None}
    trainable = {key for key, value in backbone.named_parameters() if value.requires_grad}
    assert with_gradient == trainable
    assert all("lora_" in key for key in trainable)
    assert all(parameter.grad.abs().sum() > 0 for parameter in parameters)


@torch.no_grad()
def test_new_adapters_change_nothing(name, load, images):
    backbone = load(name)
    batch = images(backbone)
    before = backbone.patch_tokens(batch)
    add_adapters(backbone, ("vision", "language"), rank=2, alpha=4, dropout=0.0)
    assert torch.equal(backbone.patch_tokens(batch), before)


@torch.no_grad()
def test_adapters_saved_and_loaded_give_the_same_outputs(name, load, images, tmp_path):
    trained = load(name, quantise=True)
    for parameter in add_adapters(trained, ("vision", "language"), rank=2, alpha=4, dropout=0.0):
        parameter.normal_(std=0.05)
    save_adapters(trained, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    restored = load(name, quantise=True)
    untrained = restored.patch_tokens(images(restored))
    load_adapters(restored, tmp_path)
    batch = images(trained)
    assert torch.equal(restored.patch_tokens(batch), trained.patch_tokens(batch))
    assert not torch.allclose(restored.patch_tokens(batch), untrained, atol=1e-3)
    prompts = ["Severe compression."]
    assert torch.equal(restored.prompt_embeddings(prompts), trained.prompt_embeddings(prompts))


def test_adapters_of_another_model_are_refused(name, load, tmp_path):
    other = load("smolvlm" if name == "llava_med" else "llava_med")
    add_adapters(other, ("vision",), rank=2, alpha=4, dropout=0.0)
    save_adapters(other, tmp_path)
    with pytest.raises(LssError, match="another model"):
        load_adapters(load(name), tmp_path)


def test_gradient_checkpointing_changes_no_gradient(name, load, images):
    gradients = []
    for enabled in (False, True):
        backbone = load(name).train()
        torch.manual_seed(0)
        parameters = add_adapters(backbone, ("vision",), rank=2, alpha=4, dropout=0.0)
        backbone.set_gradient_checkpointing(enabled)
        backbone.patch_tokens(images(backbone)).square().mean().backward()
        gradients.append([parameter.grad for parameter in parameters])
    torch.testing.assert_close(gradients[0], gradients[1])


def test_towers_are_quantised_and_projector_and_head_are_not(name, load):
    backbone = load(name, quantise=True)
    names = quantised_modules(backbone)
    linear = {key for key, module in backbone.model.named_modules() if isinstance(module, torch.nn.Linear)}
    towers = tuple(backbone.tower_prefixes.values())
    assert set(names) == {key for key in linear if key.startswith(towers)}
    assert linear - set(names)  # projections and language head
    for tower in towers:
        assert any(key.startswith(tower) for key in names)


def test_unknown_backbone_names_the_known_ones(tmp_path):
    with pytest.raises(LssError, match="biomedclip, smolvlm, llava_med"):
        load_backbone("vgg", tmp_path, quantise=False, device=torch.device("cpu"), dtype=torch.float32)


def test_biomedclip_has_no_language_model(load):
    backbone = load("biomedclip")
    assert backbone.language_model is None
    assert backbone.language_width == 0


@pytest.mark.parametrize("generative", GENERATIVE)
class TestLanguageModel:
    @torch.no_grad()
    def test_generation_equals_a_greedy_loop(self, generative, load):
        backbone = load(generative)
        prefix = torch.randn(1, 5, backbone.language_width, generator=torch.Generator().manual_seed(2))
        embeddings, expected = prefix, []
        for _ in range(8):
            token = backbone.language_model(inputs_embeds=embeddings).logits[:, -1].argmax(-1)
            expected.append(token.item())
            embeddings = torch.cat([embeddings, backbone.embed_tokens(token[:, None])], dim=1)
        assert backbone.tokenizer.eos_token_id not in expected
        assert backbone.generate(prefix, 8).tolist() == [expected]

    @torch.no_grad()
    def test_left_padding_does_not_change_what_follows(self, generative, load):
        backbone = load(generative)
        prefix = torch.randn(1, 4, backbone.language_width, generator=torch.Generator().manual_seed(2))
        padded = torch.cat([torch.zeros(1, 3, backbone.language_width), prefix], dim=1)
        mask = torch.tensor([[0, 0, 0, 1, 1, 1, 1]])
        assert torch.equal(backbone.generate(padded, 6, mask), backbone.generate(prefix, 6))

    @torch.no_grad()
    def test_projected_patches_are_the_models_own_image_features(self, generative, load, images):
        backbone = load(generative)
        batch = images(backbone)
        pixels = batch[:, None] if generative == "smolvlm" else batch
        expected = torch.stack(list(backbone.model.get_image_features(pixels).pooler_output))
        torch.testing.assert_close(backbone.project_patches(backbone.patch_tokens(batch)), expected)

    def test_text_survives_the_tokenizer(self, generative, load):
        tokenizer = load(generative).tokenizer
        text = "L4-L5: Severe spinal canal stenosis, 31.4 % of the region; Lt > Rt (45 µm)."
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert tokenizer.padding_side == "left"
        assert len({tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id}) == 3

    def test_it_learns_to_write_twenty_reports_from_their_prefixes(self, generative, load):
        """The random language model is good enough to train: LoRA, token embeddings and output layer."""
        backbone = load(generative, quantise=True)
        torch.manual_seed(0)
        parameters = add_adapters(backbone, ("language",), rank=8, alpha=16, dropout=0.0, train_token_embeddings=True)
        findings = ("Disc bulge at L4-L5.", "Facet arthropathy at L3-L4.", "No root compression.")
        reports = [f"Severe stenosis, {37 * i % 60}.{i % 10} % affected. {findings[i % 3]}" for i in range(20)]
        tokenizer, end = backbone.tokenizer, [backbone.tokenizer.eos_token_id]
        ids = [torch.tensor(tokenizer(text, add_special_tokens=False)["input_ids"] + end) for text in reports]
        labels = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=-100)
        prefix = torch.randn(20, 2, backbone.language_width)
        optimiser = torch.optim.AdamW(parameters, lr=6e-3, weight_decay=0.0)
        for _ in range(70):
            embeddings = torch.cat([prefix, backbone.embed_tokens(labels.clamp_min(0))], dim=1)
            logits = backbone.language_model(inputs_embeds=embeddings).logits[:, 1:-1]
            torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten()).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            optimiser.zero_grad()
        written = tokenizer.batch_decode(backbone.generate(prefix, labels.shape[1]), skip_special_tokens=True)
        assert written == reports
