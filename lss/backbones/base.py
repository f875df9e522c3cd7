"""The protocol every backbone fulfils, and what the generative ones share.

Shape suffixes: B images, N patch tokens, D width of the vision tower, K prompts, P prefix positions,
T tokens, M projected image positions, L width of the language model.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import lss.runtime.torch_setup  # noqa: F401  isort: skip  (before anything imports torchvision)
import torch
from torch import Tensor, nn

Tower = Literal["vision", "language"]


class Backbone(nn.Module):
    """A published vision-language model: patch tokens of its vision tower, embeddings of its text tower.

    Attributes:
        model: the model as its own library builds it; adapters are put into it in place.
        tokenizer: a Hugging Face tokenizer (call, `decode`, `pad_token_id` ...).
        image_size: side in pixels of the square image the vision tower expects.
        mean, std: normalisation of the three channels of an image in [0, 1].
        grid: rows and columns of patch tokens; N = rows * columns.
        width: D, width of a patch token.
        text_width: width of a prompt embedding.
        language_width: L, width of the language model's token embeddings; 0 where there is none.
        projected_grid: rows and columns of `project_patches`; M = rows * columns, 0 without a language model.
        unused: tensors of the checkpoint's files that are not in `model`, as "file: name"; set when it is loaded.
    """

    name: ClassVar[str]
    tower_prefixes: ClassVar[dict[Tower, str]]
    """Where the towers lie in `model`, as prefix of module names."""
    adapter_layers: ClassVar[dict[Tower, tuple[str, ...]]]
    """Last parts of the names of the linear layers that get adapters, per tower."""

    text_modules: ClassVar[tuple[str, ...]]
    """Names in `model` of everything that only texts pass through."""

    # Any: its parts are its library's, which mypy cannot follow
    model: Any
    tokenizer: Any
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    grid: tuple[int, int]
    width: int
    text_width: int
    language_width: int = 0
    projected_grid: tuple[int, int] = (0, 0)
    unused: tuple[str, ...] = ()

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, *, quantise: bool, device: torch.device, dtype: torch.dtype) -> Self:
        """Load from a folder in the published format; see `lss.backbones.load_backbone`."""

    @classmethod
    @abstractmethod
    def stored_tensors(cls, folder: Path) -> Iterator[tuple[str, str, str | None]]:
        """Return every tensor in the safetensors files of a checkpoint's folder, those of its companion included.

        Yields:
            file within `folder`, name in the file, and the name in `model` that it is loaded to; None in place of
            the last where `load` does not read it.
        """

    @classmethod
    @abstractmethod
    def empty(cls, folder: Path) -> Self:
        """Build from the configuration in `folder` alone: no weights read, no tokenizer.

        Under `torch.device("meta")` it takes no memory and still knows its sizes; under another device its
        weights are the library's random ones.
        """

    @abstractmethod
    def patch_tokens(self, image_B3HW: Tensor) -> Tensor:
        """Return patch tokens of the vision tower, without [CLS].

        Args:
            image_B3HW: images normalised with `mean` and `std`, H = W = `image_size`.

        Returns:
            float32 (B, N, D), row by row from the upper left patch.
        """

    @abstractmethod
    def prompt_embeddings(self, prompts: list[str]) -> Tensor:
        """Return one embedding per prompt: float32 (K, text_width)."""

    @abstractmethod
    def set_gradient_checkpointing(self, enabled: bool) -> None:
        """Recompute activations of the towers in the backward pass instead of keeping them."""

    def project_patches(self, tokens_BND: Tensor) -> Tensor:
        """Return patch tokens through the published projector (connector) into the language model's space: (B, M, L).

        What the published model reads an image from, between the embeddings of its words. Row by row, on
        `projected_grid`. Without a language model there is nothing to project into: (B, 0, 0).

        Args:
            tokens_BND: of `patch_tokens`, on the backbone's own grid, not resampled.
        """
        return tokens_BND.new_zeros(len(tokens_BND), 0, 0)

    @property
    def language_model(self) -> Any | None:
        """Causal language model that takes `inputs_embeds`; None where the backbone has no text decoder."""
        return None

    @property
    def towers(self) -> list[Tower]:
        """The towers that are there: see `drop_text_tower`."""
        names = {name for name, _ in self.model.named_modules()}
        return [tower for tower, prefix in self.tower_prefixes.items() if prefix in names]

    def layers(self, which: Tower) -> Any:
        """Return the transformer layers of a tower, first to last, as the list in its model."""
        tower = self.model.get_submodule(self.tower_prefixes[which])
        return next((getattr(tower, name) for name in ("layers", "layer") if hasattr(tower, name)), tower)

    def compile_layers(self, towers: Sequence[Tower], backend: str = "inductor") -> None:
        """Have torch.compile fuse each layer of these towers, in place; called after the adapters are in.

        Layer by layer: they are alike, so a few graphs serve a tower of any depth. The names in its state stay as they
        are. Kernels are made at the first calls, which takes minutes; what they compute is rounded otherwise.
        """
        # one graph for each of: with and without gradients, in training or not, first layer or later, sizes of texts
        torch._dynamo.config.recompile_limit = 32
        for tower in towers:
            for layer in self.layers(tower):
                layer.compile(backend=backend)

    def adapter_modules(self, which: Tower) -> str:
        """Return the regular expression of the names in `model` of the linear layers that get adapters (peft's
        target_modules).
        """
        prefix = self.tower_prefixes[which].replace(".", r"\.")
        return rf"{prefix}\..*\.({'|'.join(self.adapter_layers[which])})"

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return next(self.model.parameters()).device

    @property
    def tokens(self) -> int:
        """N, the number of patch tokens of one image."""
        return self.grid[0] * self.grid[1]

    def drop_text_tower(self) -> None:
        """Give back the memory of everything that only texts pass through: of LLaVA-Med, 7 of its 7.3 billion weights.

        For tasks that embed their prompts once and look at images from then on. Afterwards whatever asks for
        prompts or text fails with an AttributeError.
        """
        for name in self.text_modules:
            parent, _, child = name.rpartition(".")
            delattr(self.model.get_submodule(parent), child)

    def normalise(self, image_BHW: Tensor) -> Tensor:
        """Return grey images in [0, 1], (B, H, W), as the vision tower wants them: (B, 3, H, W), normalised."""
        mean, std = (image_BHW.new_tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return (image_BHW[:, None].expand(-1, 3, -1, -1) - mean) / std


class GenerativeBackbone(Backbone):
    """A backbone of transformers with a causal language model behind the vision tower."""

    @property
    def language_model(self) -> Any:
        """The whole conditional-generation model; without `pixel_values` it is its language model."""
        return self.model

    @property
    @abstractmethod
    def text_tower(self) -> Any:
        """The language model without its head."""

    @abstractmethod
    def project_patches(self, tokens_BND: Tensor) -> Tensor:
        """See `Backbone.project_patches`."""

    def embed_tokens(self, ids_BT: Tensor) -> Tensor:
        """Return the token embeddings of the language model: (B, T, L)."""
        return self.model.get_input_embeddings()(ids_BT)

    def prompt_embeddings(self, prompts: list[str]) -> Tensor:
        """Return the mean over each prompt's tokens of the language model's last hidden state: float32 (K, text_width).

        A causal model has no summary token; the mean is the usual stand-in. Not stated in the paper. Where a tokenizer
        makes no token of the empty text, the end-of-text token stands for it, which is what parts texts in training.
        """
        nothing = "" if self.tokenizer("").input_ids else self.tokenizer.eos_token
        batch = self.tokenizer([prompt or nothing for prompt in prompts], return_tensors="pt", padding=True).to(
            self.device
        )
        hidden_KTL = self.text_tower(**batch).last_hidden_state.float()
        mask_KT1 = batch["attention_mask"].unsqueeze(-1)
        return (hidden_KTL * mask_KT1).sum(dim=1) / mask_KT1.sum(dim=1)

    @torch.no_grad()
    def generate(
        self, prefix_BPL: Tensor, max_new_tokens: int, mask_BP: Tensor | None = None, **options: Any
    ) -> Tensor:
        """Continue prefix embeddings.

        Args:
            prefix_BPL: embeddings the text follows; where their number differs, padded on the left.
            max_new_tokens: stop there at the latest.
            mask_BP: 1 for positions that count, 0 for padding; None when all count.
            options: of transformers' `generate` (`do_sample`, `num_beams`, `temperature` ...); greedy by default.

        Returns:
            int64 (B, T): new tokens only, padded with `pad_token_id` after the end.
        """
        mask_BP = torch.ones(prefix_BPL.shape[:2], dtype=torch.long) if mask_BP is None else mask_BP
        return self.model.generate(
            inputs_embeds=prefix_BPL.to(self.model.dtype),
            attention_mask=mask_BP.to(prefix_BPL.device),
            max_new_tokens=max_new_tokens,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.tokenizer.eos_token_id,
            **{"do_sample": False, **options},
        )

    def set_gradient_checkpointing(self, enabled: bool) -> None:
        """See `Backbone.set_gradient_checkpointing`."""
        if enabled:
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
        else:
            self.model.gradient_checkpointing_disable()


def resample_tokens(tokens_BND: Tensor, grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
    """Return the bilinear resampling of patch tokens to another grid: (B, N, D) to (B, N', D).

    With `new_grid` (14, 14) every backbone has the paper's 196 tokens. Anti-aliased when the grid gets coarser,
    so that no patch is skipped. Raises ValueError when N is not the product of `grid`.
    """
    batch, count, width = tokens_BND.shape
    if count != grid[0] * grid[1]:
        raise ValueError(f"{count} patch tokens do not form a grid of {grid[0]} x {grid[1]}")
    if tuple(grid) == tuple(new_grid):
        return tokens_BND
    map_BDHW = tokens_BND.transpose(1, 2).reshape(batch, width, *grid)
    resampled = nn.functional.interpolate(map_BDHW, new_grid, mode="bilinear", antialias=True)
    return resampled.flatten(2).transpose(1, 2)
