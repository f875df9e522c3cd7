from __future__ import annotations

import pytest
import torch

from lss.backbones import backbone_class
from lss.backbones.published import CONFIGURATIONS, write_configuration
from lss.errors import LssError
from lss.params import load_params
from lss.plan import GIB, Need, TowerSize, estimate, plan_table


@pytest.fixture(scope="module")
def params(project_root):
    return load_params(project_root / "params.yaml")


@pytest.fixture(scope="module")
def published(params):
    train = params.train.model_copy(update={"bf16": True, "gradient_checkpointing": True})
    weights = params.weights.model_copy(update={"source": "published"})
    return params.model_copy(update={"train": train, "weights": weights})


@pytest.mark.parametrize(
    ("hub_id", "name", "millions", "grid"),
    [
        # ViT-B/16 without head 85.8, BERT-base without pooler 108.9, projections 0.4 + 0.8
        ("microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224", "biomedclip", 195.9, (14, 14)),
        ("HuggingFaceTB/SmolVLM-256M-Instruct", "smolvlm", 256.5, (32, 32)),
        ("HuggingFaceTB/SmolVLM-500M-Instruct", "smolvlm", 507.5, (32, 32)),
        ("HuggingFaceTB/SmolVLM-Instruct", "smolvlm", 2246.3, (27, 27)),
        # Mistral 7241.7, projector 21.0, ViT-L/14 at 336 303.5 less its last layer of 12.6
        ("microsoft/llava-med-v1.5-mistral-7b", "llava_med", 7553.6, (24, 24)),
    ],
)
def test_published_sizes(hub_id, name, millions, grid, tmp_path):
    assert hub_id in CONFIGURATIONS
    write_configuration(hub_id, tmp_path)
    with torch.device("meta"):
        backbone = backbone_class(name).empty(tmp_path)
    assert sum(value.numel() for value in backbone.parameters()) / 1e6 == pytest.approx(millions, rel=2e-3)
    assert backbone.grid == grid


def test_unknown_checkpoint(tmp_path):
    with pytest.raises(LssError, match=r"somebody/model.*not known before `lss weights`"):
        write_configuration("somebody/model", tmp_path)


def test_seven_billion_weights_fit_the_papers_card(published):
    need = estimate("llava_med", "report", published)
    # 7 billion weights in about half a byte each, the rest in bfloat16
    assert 3.5 * GIB < need.fixed_bytes < 7 * GIB
    assert need.largest_batch(12 * GIB, limit=8) >= 1
    assert need.trainable < need.parameters / 100


def test_biomedclip_needs_no_more_for_reports(published):
    assert estimate("biomedclip", "report", published) == estimate("biomedclip", "segmentation", published)


def test_largest_batch_by_hand():
    need = Need(parameters=10, trainable=1, grid=(2, 2), fixed_bytes=100, bytes_per_image=30)
    assert need.peak_bytes(3) == 190
    assert [need.largest_batch(card, limit=8) for card in (90, 129, 130, 189, 190, 1000)] == [0, 0, 1, 2, 3, 8]


def test_activations_by_hand():
    tower = TowerSize(layers=12, width=768, tokens=197)
    # Korthikanti et al. 2022: s b h 34 bytes per layer without the attention matrix; 2 s b h where recomputed
    assert tower.activation_bytes(2, recompute=False) == 12 * 34 * 197 * 768
    assert tower.activation_bytes(2, recompute=True) == 12 * 2 * 197 * 768 + 34 * 197 * 768


def test_table_has_a_row_per_backbone_and_task(params):
    table = plan_table(params)
    for name in params.train.backbones:
        assert sum(line.startswith(name) for line in table.splitlines()) == 2
