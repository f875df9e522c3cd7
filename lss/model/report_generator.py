"""Report generator: image -> mask -> f_r -> text (section 3.6, eq. 10-12).

The trained segmentation network is part of it and stays frozen: it draws the mask and gives the visual features.
Trained are the encoder of f_r, the writer (a small decoder, or adapters of the backbone's own language model), and a
head that reads findings from the image, to check the text against.

Shapes: B images, T tokens, R tokens of f_r, L their width, K grades.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lss.backbones.base import Backbone, GenerativeBackbone
from lss.domain.grades import GRADES
from lss.losses.focal import IGNORED, focal_nll
from lss.model import decoding
from lss.model.finding_head import OTHER_SIDE, FindingHead, statements_of
from lss.model.mask_encoder import mask_coverage
from lss.model.network import NetworkConfig, SegmentationNetwork
from lss.model.prompt_bank import prompt_queries
from lss.model.report_decoder import ReportDecoder
from lss.model.report_encoder import CELLS, Evidence, Location, ReportEncoder, pool_patches, pool_projected
from lss.model.report_text import tidy
from lss.model.report_writer import DecoderWriter, PrefixWriter
from lss.model.severity import area_percent, lateral_side
from lss.notes.reference import SEVERITY_TEMPLATES
from lss.notes.sides import MIRRORED, translate_sides
from lss.runtime.torch_setup import to_device


@dataclass(frozen=True)
class Decoding:
    """How a report is read off: `method`, and what it needs (`beams`; `temperature`)."""

    method: Literal["greedy", "beam", "sample"] = "greedy"
    beams: int = 1
    temperature: float = 1.0


class ReportGenerator(nn.Module):
    """The writer of a report from an image, by way of the mask that a frozen segmentation network draws."""

    def __init__(self, segmentation: SegmentationNetwork, decoder_width: int, max_tokens: int) -> None:
        """Build on a backbone without trained language adapters: the templates are embedded here.

        Args:
            segmentation: its backbone writes too where it has a language model.
            decoder_width: of the small decoder, where the backbone has none.
            max_tokens: of a report.
        """
        super().__init__()
        self.segmentation = segmentation
        self.max_tokens = max_tokens
        backbone = self.backbone
        with torch.no_grad():
            sentences = [SEVERITY_TEMPLATES[grade].split(",")[0] for grade in GRADES]
            templates_KW = backbone.prompt_embeddings(sentences).cpu()
        self.writer: DecoderWriter | PrefixWriter
        if isinstance(backbone, GenerativeBackbone):
            width = backbone.language_width
            self.writer = PrefixWriter(backbone)
        else:
            width = decoder_width
            ids = backbone.tokenizer
            decoder = ReportDecoder(len(ids), width, max_tokens)
            self.writer = DecoderWriter(decoder, ids.cls_token_id, ids.sep_token_id)
        self.encoder = ReportEncoder(backbone.width, width, templates_KW)
        self.finding_head = FindingHead(backbone.width)

    @property
    def prefix_tokens(self) -> int:
        """Positions of the language model before the report's first word; 0 where a small decoder writes."""
        return self.encoder.tokens + CELLS if isinstance(self.writer, PrefixWriter) else 0

    @property
    def backbone(self) -> Backbone:
        """Of the segmentation network."""
        return self.segmentation.encoder.backbone

    @torch.no_grad()
    def look(self, image_B1YX: Tensor, grade_B: Tensor, places: list[Location]) -> Evidence:
        """Return what the frozen network finds in images. `grade_B` is looked at only with the oracle prompt.

        On a CPU one image after the other, so that to the last bit nothing depends on the batch; a batch would gain
        nothing there. On a GPU all at once: one image does not fill it.
        """
        training = self.training
        self.eval()  # batch norm and adapters' dropout of the frozen part
        at_once = 1 if image_B1YX.device.type == "cpu" else len(image_B1YX)
        visual, coverage, projected, masks = [], [], [], []
        query_B3 = prompt_queries([place.level for place in places]).to(image_B1YX.device)
        parts = zip(image_B1YX.split(at_once), grade_B.split(at_once), query_B3.split(at_once), strict=True)
        for part in parts:
            visual_bMV, coverage_b1SS, projected_bML, mask_b1YX = self.find(*part)
            visual.append(visual_bMV)
            coverage.append(coverage_b1SS)
            projected.append(projected_bML)
            masks.append(mask_b1YX)
        self.train(training)
        mask_B1YX = torch.cat(masks)
        areas = area_percent(mask_B1YX, [place.region_share for place in places])
        drawn = zip(mask_B1YX[:, 0].cpu().numpy(), places, strict=True)
        return Evidence(
            torch.cat(visual),
            torch.cat(coverage),
            torch.cat(projected),
            areas,
            mask_sides=[lateral_side(mask_YX, place.canal_column, place.sides) for mask_YX, place in drawn],
            view_sides=[place.sides for place in places],
            levels=[place.level for place in places],
        )

    @torch.no_grad()
    def find(
        self, image_B1YX: Tensor, grade_B: Tensor, query_B3: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return f_v on cells, the mask's coverage, projected patches, and the mask (bool, (B, 1, Y, X)); all images at
        once.

        One pass of the vision tower serves all of them, with the adapters of the segmentation in it.
        `query_B3`: `lss.model.prompt_bank.prompt_queries`; None where no level is known.
        """
        encoder, backbone = self.segmentation.encoder, self.backbone
        patches_BND = encoder.patches(image_B1YX)
        attended = encoder.attend(patches_BND, grade_B, query_B3).attended
        mask_B1YX = self.segmentation.decoder(attended.patches_BND, attended.similarity_BKN) > 0
        visual_BMV = pool_patches(attended.patches_BND.float(), encoder.grid)
        projected_BML = pool_projected(backbone.project_patches(patches_BND).float(), backbone.projected_grid)
        return visual_BMV, mask_coverage(mask_B1YX), projected_BML, mask_B1YX

    def loss(
        self, evidence: Evidence, reports: list[str], grade_B: Tensor, gamma: float, grade_weight: float
    ) -> Tensor:
        """Run `forward` on the texts of the reports, which name the patient's sides."""
        return self(evidence, *self.teacher_forcing_ids(_of_view(reports, evidence)), grade_B, gamma, grade_weight)

    def forward(
        self,
        evidence: Evidence,
        ids_BT: Tensor,
        target_BT: Tensor,
        grade_B: Tensor,
        gamma: float,
        grade_weight: float,
    ) -> Tensor:
        """Return the focal NLL of the reports' tokens (gamma 0: eq. 12) plus `grade_weight` times the grade's
        cross-entropy.

        `ids_BT` and `target_BT` are those of `teacher_forcing_ids`.
        """
        features_BRL, logits_BK = self.encoder(evidence)
        context_BRL = self.writer.context(features_BRL, evidence.projected_BML)
        words = focal_nll(self.writer.teacher_forced(context_BRL, ids_BT), target_BT, gamma)
        return words + grade_weight * nn.functional.cross_entropy(logits_BK, grade_B)

    def finding_loss(self, evidence: Evidence, reports: list[str]) -> Tensor:
        """Return the cross-entropy of the finding head, mean over `STATEMENTS`, by what the reports state."""
        viewed = _of_view(reports, evidence)
        stated_BF = torch.stack([statements_of(*of) for of in zip(viewed, evidence.levels, strict=True)])
        logits_BF = self.finding_head(evidence)
        return nn.functional.binary_cross_entropy_with_logits(logits_BF, to_device(stated_BF, logits_BF.device))

    @torch.no_grad()
    def finding_chances(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the probability of each of `STATEMENTS`, of the patient's sides, by the finding head: (B, F)."""
        chances_BF = self.finding_head(evidence).sigmoid().double().cpu().numpy()
        mirrored_B = [sides == MIRRORED for sides in evidence.view_sides]
        chances_BF[mirrored_B] = chances_BF[mirrored_B][:, OTHER_SIDE]
        return chances_BF  # type: ignore[no-any-return]

    def teacher_forcing_ids(self, reports: list[str]) -> tuple[Tensor, Tensor]:
        """Return inputs (begin, w1, ... wn) and targets (w1, ... wn, end), (B, T) int64.

        A report that does not fit into `max_tokens` is cut, and then has no closing token; see `is_cut`.
        """
        begin, end = self.writer.begin_id, self.writer.end_id
        sequences = [[begin, *self._token_ids(report), end][: self.max_tokens + 1] for report in reports]
        longest = max(map(len, sequences)) - 1
        ids_BT = torch.full((len(reports), longest), end)
        target_BT = torch.full((len(reports), longest), IGNORED)
        for row, ids in enumerate(sequences):
            ids_BT[row, : len(ids) - 1] = torch.tensor(ids[:-1])
            target_BT[row, : len(ids) - 1] = torch.tensor(ids[1:])
        device = self.encoder.place.device
        return to_device(ids_BT, device), to_device(target_BT, device)

    def is_cut(self, report: str) -> bool:
        """Return whether a report and the token that closes it are longer than `max_tokens`."""
        return len(self._token_ids(report)) >= self.max_tokens

    def _token_ids(self, report: str) -> list[int]:
        return self.backbone.tokenizer(report, add_special_tokens=False)["input_ids"]

    @torch.no_grad()
    def write(
        self, evidence: Evidence, how: Decoding, generators: list[np.random.Generator] | None = None
    ) -> list[str]:
        """Return reports on what was found, of the patient's sides. `generators`, one per image, are for sampling."""
        features_BRL, _ = self.encoder(evidence)
        context_BRL = self.writer.context(features_BRL, evidence.projected_BML)
        if how.method == "beam":
            written = decoding.beam(self.writer, context_BRL, self.max_tokens, how.beams)
        elif how.method == "sample":
            if generators is None:
                raise ValueError("sampling needs one generator per image")
            written = decoding.sample(self.writer, context_BRL, self.max_tokens, how.temperature, generators)
        else:
            written = decoding.greedy(self.writer, context_BRL, self.max_tokens)
        return _of_view(
            [tidy(self.backbone.tokenizer.decode(ids, skip_special_tokens=True)) for ids in written], evidence
        )


def _of_view(reports: list[str], evidence: Evidence) -> list[str]:
    """Return reports of the patient's sides as those of the images', or back: the network sees nothing
    but the images.
    """
    return [translate_sides(*of) for of in zip(reports, evidence.view_sides, strict=True)]


def build_generator(backbone: Backbone, config: NetworkConfig, decoder_width: int, max_tokens: int) -> ReportGenerator:
    """Put an untrained generator on a backbone that has no adapters yet: its text tower embeds the prompts now."""
    segmentation = SegmentationNetwork(backbone, config)
    return ReportGenerator(segmentation, decoder_width, max_tokens)
