"""Whole networks around a stand-in backbone that fulfils the protocol."""

import pytest
import torch
from patch_backbone import PatchBackbone, config

from lss.domain.grades import LEVELS
from lss.model.network import ClassificationNetwork, SegmentationNetwork
from lss.model.prompt_bank import PromptBank, prompt_queries
from lss.notes.prompts import GRADE_PROMPTS, TEST_WORDING, prompt_text


@pytest.fixture
def image():
    return torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(2))


GRADE = torch.tensor([0, 1, 2])


def test_segmentation_shapes(image):
    output = SegmentationNetwork(PatchBackbone(), config())(image, GRADE)
    assert output.logits.shape == (3, 1, 40, 40)
    assert output.attention_BHKN.shape == (3, 8, len(GRADE_PROMPTS), 16)


def test_resampled_grid(image):
    network = SegmentationNetwork(PatchBackbone(), config(resample_grid=14))
    assert network(image, GRADE).attention_BHKN.shape[-1] == 196  # the paper's


def test_classification_shapes(image):
    assert ClassificationNetwork(PatchBackbone(), config())(image, GRADE).logits.shape == (3, 3)


def test_text_tower_is_asked_before_the_first_image_alone(image):
    network = ClassificationNetwork(PatchBackbone(), config())
    asked = network.encoder.backbone.asked
    for _ in range(3):
        network(image, GRADE)
    assert network.encoder.backbone.asked == asked
    assert not any("bank" in name for name in network.state_dict())


@pytest.mark.parametrize("prompt", ["bank", "predicted"])
@pytest.mark.parametrize("kind", [SegmentationNetwork, ClassificationNetwork])
def test_no_output_depends_on_the_grades_of_the_batch(image, kind, prompt):
    """Permuted labels change nothing, to the last bit."""
    network = kind(PatchBackbone(), config(prompt=prompt)).eval()
    asked = prompt_queries(["L4-L5", None, "L5-S1"])
    first, other = network(image, GRADE, asked), network(image, GRADE.flip(0), asked)
    assert torch.equal(first.logits, other.logits)
    assert torch.equal(first.attention_BHKN, other.attention_BHKN)
    assert torch.equal(first.grade_logits, other.grade_logits) and first.grade_logits.shape == (3, 3)


def test_the_oracle_sees_the_grade(image):
    oracle = ClassificationNetwork(PatchBackbone(), config(prompt="oracle")).eval()
    messages, with_other_grades = oracle(image, GRADE), oracle(image, torch.tensor([2, 2, 2]))
    assert messages.attention_BHKN.shape[2] == 1 and messages.grade_logits is None
    assert not torch.allclose(messages.attention_BHKN[0], with_other_grades.attention_BHKN[0])
    assert torch.equal(messages.attention_BHKN[2], with_other_grades.attention_BHKN[2])


def test_a_head_that_is_sure_of_a_grade_asks_what_the_oracle_asks(image):
    torch.manual_seed(5)
    predicted = SegmentationNetwork(PatchBackbone(), config(prompt="predicted")).eval()
    oracle = SegmentationNetwork(PatchBackbone(), config(prompt="oracle")).eval()
    oracle.load_state_dict(predicted.state_dict(), strict=False)
    torch.nn.init.zeros_(predicted.encoder.grade_head.to_logits.weight)
    predicted.encoder.grade_head.to_logits.bias.data = torch.tensor([0.0, 0.0, 200.0])
    assert torch.allclose(predicted(image, GRADE).logits, oracle(image, torch.tensor([2, 2, 2])).logits, atol=1e-6)


@pytest.mark.parametrize("prompt", ["bank", "predicted"])
def test_exchanged_prompts_change_the_map(image, prompt):
    network = SegmentationNetwork(PatchBackbone(), config(prompt=prompt)).eval()
    own, normal, severe = (network(image, GRADE, prompt_queries([None] * 3, content=words)).logits
                           for words in ("own", "A", "D"))  # fmt: skip
    assert not torch.allclose(normal, severe, atol=1e-4) and not torch.allclose(own, severe, atol=1e-4)


def test_bank_is_centred_and_depends_on_level_wording_and_content():
    bank = PromptBank(PatchBackbone(), "text")
    assert bank.embeddings_VLKW[:-1].mean(dim=(0, 1, 2)).abs().max() < 1e-6
    own, level, wording, severe, shuffled, empty = (bank(prompt_queries(*asked))[0] for asked in (
        ([None],), (["L4-L5"],), ([None], [0]), ([None], None, "D"), ([None], None, "shuffled"),
        ([None], None, "empty")))  # fmt: skip
    assert not torch.equal(own, level) and not torch.equal(own, wording)
    assert torch.equal(severe, own[[4, 5, 4, 5, 4, 5]])
    assert torch.equal(shuffled, own[[4, 5, 0, 1, 2, 3]])
    texts = [prompt_text(prompt, wording, level) for wording in range(TEST_WORDING + 1)
             for level in range(len(LEVELS) + 1) for prompt in GRADE_PROMPTS]  # fmt: skip
    messages = PatchBackbone().prompt_embeddings(texts)[: TEST_WORDING * len(texts) // (TEST_WORDING + 1)]
    nothing = PatchBackbone().prompt_embeddings([""])[0] - messages.mean(dim=0)
    assert torch.allclose(empty, nothing.expand(6, -1), atol=1e-6)


def test_controls_of_the_texts():
    text, shuffled, empty, learned = (
        PromptBank(PatchBackbone(), name) for name in ("text", "shuffled", "empty", "learned")
    )
    asked = prompt_queries(["L4-L5"])
    assert torch.equal(shuffled(asked)[0, 2:], text(asked)[0, :4])  # each grade has the words of the one before
    assert torch.equal(learned(asked), learned(prompt_queries([None]))) and learned.learned_KW.requires_grad
    backbone = PatchBackbone()
    backbone.prompt_embeddings = lambda texts: torch.tensor([[float(len(text))] * 6 for text in texts])
    assert not PromptBank(backbone, "empty")(asked).any()  # no text has any letter
    assert empty.learned_KW is None


@pytest.mark.parametrize("prompt", ["bank", "predicted"])
def test_only_what_is_new_is_trained(image, prompt):
    network = SegmentationNetwork(PatchBackbone(), config(prompt=prompt))
    output = network(image, GRADE)
    (output.logits.sum() + output.grade_logits.sum()).backward()
    trained = {
        name.split(".")[0] + "." + name.split(".")[1] for name, p in network.named_parameters() if p.requires_grad
    }
    assert trained == {"encoder.attention", "encoder.grade_head", "decoder.layers", "decoder.to_logit"}
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
