"""Do the towers of the checkpoint compute what their publishers' files say? Held against other programs."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import numpy as np
import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from lss.backbones.base import Backbone
from lss.errors import LssError
from lss.model.prompt_bank import PromptBank
from lss.notes.prompts import GRADE_PROMPTS, PROMPT_GRADES, TEST_WORDING, TRAINING_WORDINGS, prompt_text

PROMPTS = [prompt_text(prompt, TEST_WORDING, 0) for prompt in GRADE_PROMPTS]


def vision_distance(backbone: Backbone, image_BYX: Tensor, onnx: Path, folder: Path) -> tuple[float, float]:
    """Largest distance of the patch tokens from ONNX Runtime's, and the largest of those themselves.

    ONNX Runtime is installed with pip into an environment in `folder`, and runs the file as it was published.
    """
    image_B3YX = backbone.normalise(image_BYX)
    with torch.no_grad():
        ours = backbone.patch_tokens(image_B3YX).numpy()
    environment = folder / "onnxruntime"
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    _run([str(python), "-m", "pip", "--disable-pip-version-check", "-q", "install", "onnx", "onnxruntime"])
    np.save(folder / "images.npy", image_B3YX.numpy())
    script = Path(__file__).with_name("_onnx_run.py")
    _run([str(python), str(script), str(onnx), str(folder / "images.npy"), str(folder / "tokens.npy")])
    theirs = np.load(folder / "tokens.npy")
    if ours.shape != theirs.shape:
        raise LssError(f"patch tokens are {ours.shape}, ONNX Runtime's {theirs.shape}")
    return float(np.abs(ours - theirs).max()), float(np.abs(theirs).max())


def text_distance(backbone: Backbone, sentences: Path) -> float:
    """Largest distance of the prompts' embeddings from those of transformers, put through the same projection.

    all-MiniLM-L6-v2's sentence embedding is the mean over the tokens, as its own file 1_Pooling/config.json says.
    """
    tokenizer, model = AutoTokenizer.from_pretrained(sentences), AutoModel.from_pretrained(sentences).eval()
    batch = tokenizer(PROMPTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden_KTL, mask_KT1 = model(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1)
        theirs = backbone.model.text.proj((hidden_KTL * mask_KT1).sum(1) / mask_KT1.sum(1))
        return float((backbone.prompt_embeddings(PROMPTS) - theirs).abs().max())


def found_again(backbone: Backbone) -> tuple[float, float]:
    """How often the held-out wording of a prompt is nearest to that prompt, and to one of its grade, over all levels.

    Nearest by cosine to the mean of the wordings that training draws from, of the same level: chance is 1 in 6 and 1
    in 3. Embeddings as the network gets them (`PromptBank`).
    """
    embeddings_VLKW = torch.nn.functional.normalize(PromptBank(backbone, "text").embeddings_VLKW, dim=-1)
    known_LKW, asked_LKW = embeddings_VLKW[:TRAINING_WORDINGS].mean(dim=0), embeddings_VLKW[TEST_WORDING]
    known_LKW = torch.nn.functional.normalize(known_LKW, dim=-1)
    nearest_LK = (asked_LKW @ known_LKW.transpose(1, 2)).argmax(dim=-1)
    own_K, grade_K = torch.arange(len(PROMPTS)), torch.tensor(PROMPT_GRADES)
    return float((nearest_LK == own_K).float().mean()), float((grade_K[nearest_LK] == grade_K).float().mean())


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LssError(f"{' '.join(command)} failed: {' '.join(done.stderr.strip().splitlines()[-1:])}")
