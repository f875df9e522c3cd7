"""Columns of every Parquet table that one stage hands to another.

Images are rows of `pa.struct({bytes, path})`, the layout that `datasets` reads as `Image`.
Keys are pseudonyms; `slice_key` is unique per slice.
"""

from __future__ import annotations

import pyarrow as pa

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

SLICES = pa.schema(
    [
        ("slice_key", pa.string()),
        ("patient_key", pa.string()),
        ("study_key", pa.string()),
        ("series_key", pa.string()),
        ("image_key", pa.string()),  # of the image's own unique id: the same where two patients hold one image
        ("person_key", pa.string()),  # of the header's PatientID; null where it names nobody
        ("cohort", pa.string()),  # name of the cohort; of several that are one, the label of the patient's own
        ("plane", pa.string()),  # axial, sagittal, coronal, oblique, unknown
        ("plane_reason", pa.string()),
        ("weighting", pa.string()),  # T1, T2, localizer, derived, other, unknown
        ("weighting_reason", pa.string()),
        ("level", pa.string()),  # one of lss.domain.grades.LEVELS, or null
        ("level_reason", pa.string()),
        ("instance", pa.int32()),  # number within the series
        ("position_mm", pa.float32()),  # along the slice normal; null without a header
        ("rows", pa.int32()),
        ("columns", pa.int32()),
        ("row_spacing_mm", pa.float32()),
        ("column_spacing_mm", pa.float32()),
        ("spacing_reason", pa.string()),
        # where pixels lie in the patient (`lss.imaging.geometry.SlicePlane`); null without a header
        ("origin_mm", pa.list_(pa.float64())),  # x, y, z of the first pixel's centre, to the left, back and head
        ("orientation", pa.list_(pa.float64())),  # unit vectors along a row, then down a column
        ("bits", pa.int32()),  # stored bits: 12 for DICOM, 8 for PNG
        ("pixels", pa.binary()),  # little-endian uint16, row-major, rows * columns values
        ("note", pa.string()),  # cleaned note of the patient, or null
        ("note_grade", pa.string()),  # A, BC, D, or null
        ("level_grades", pa.string()),  # "L4-L5:BC;L5-S1:A"
        ("grade", pa.string()),  # of this slice: A, BC, D, or null
        ("grade_reason", pa.string()),
        # of the source file's SHA-256 a keyed hash; of the phantom's files itself, as it joins their truth
        ("source_sha256", pa.string()),
    ]
)

REJECTS = pa.schema(
    [
        ("file_key", pa.string()),  # of the file, or of a table's row; the owner's table names it
        ("patient_key", pa.string()),  # null where it belongs to no patient
        ("stage", pa.string()),
        ("reason", pa.string()),  # short and countable, e.g. "truncated file"
        ("detail", pa.string()),
        ("remedy", pa.string()),
    ]
)

SPLIT = pa.schema(
    [
        ("slice_key", pa.string()),
        ("patient_key", pa.string()),
        ("study_key", pa.string()),
        ("batch", pa.string()),
        ("level", pa.string()),
        ("grade", pa.string()),
        ("note_grade", pa.string()),
        ("subset", pa.string()),  # train, val, test, unused
        ("fold", pa.int32()),  # in which the patient is tested, from 0; null without split.folds, and where unused
        ("reason", pa.string()),  # why unused; null otherwise
        ("perceptual_hash", pa.binary()),  # 32 bytes
    ]
)

USED = pa.schema([("slice_key", pa.string()), ("subset", pa.string())])
"""Slices of one batch: `used`, or `unused`. It changes less often than the split: by what is used alone."""

SPLIT_BATCH = pa.schema(
    [
        ("slice_key", pa.string()),
        ("subset", pa.string()),  # train, val, test, unused
        ("copies", pa.int32()),  # of the training part, so that all grades become equally frequent; null elsewhere
        ("subset_by_fold", pa.list_(pa.string())),  # where split.fold is all: both in each fold; null otherwise
        ("copies_by_fold", pa.list_(pa.int32())),
    ]
)
"""Slices of one batch: their part of the split."""

DENOISED = pa.schema(
    [
        ("slice_key", pa.string()),
        ("rows", pa.int32()),
        ("columns", pa.int32()),
        ("pixels", pa.binary()),  # as in SLICES
        ("sigma", pa.float32()),  # estimated noise, grey levels of the stored data
        ("h", pa.float32()),  # filtering parameter used; 0 where nothing was filtered
    ]
)

PSEUDO_MASKS = pa.schema(
    [
        ("slice_key", pa.string()),
        ("mask", IMAGE),  # 8-bit PNG, 0 or 255, size of the slice
        ("canal_found", pa.bool_()),
        ("roi_reason", pa.string()),
        ("centre_row", pa.float32()),  # of the region of interest, pixels
        ("centre_column", pa.float32()),
        ("roi_rows", pa.int32()),  # its extent, pixels
        ("roi_columns", pa.int32()),
        ("region_pixels", pa.int32()),  # of the region of interest: H x W of eq. 10
        ("area_mm2", pa.float32()),
    ]
)

SHARD_VERSION = 4
"""Goes up with every change of `SHARD` or of what one of its columns means; stands in the shards' manifests."""

SHARD = pa.schema(
    [
        ("image", IMAGE),  # 16-bit grey PNG: denoised, field of view of the models
        ("mask", IMAGE),  # 8-bit PNG, 0 or 255, same size
        ("sample_key", pa.string()),  # slice_key, or slice_key + "~" + copy number
        ("slice_key", pa.string()),
        ("patient_key", pa.string()),
        ("level", pa.string()),
        ("level_named", pa.bool_()),  # the note or the labels name this disc; else its grade follows from their silence
        ("grade", pa.string()),
        ("report", pa.string()),  # reference text; of the patient's sides, which `sides` places on the image
        ("area_percent", pa.float32()),  # of the target region, eq. 10; see `shards.area_of`
        ("region_share", pa.float32()),  # size of that region, in fields of view; 1 with `area_of: view`
        ("canal_column", pa.float32()),  # of the canal's centre: 0 left, 1 right edge of the image; null if not found
        ("row_spacing_mm", pa.float32()),
        ("column_spacing_mm", pa.float32()),
        ("sides", pa.string()),  # the patient's sides at the image's left and right edge, "RL"; null if not known
        ("copy", pa.int32()),  # 0: an original (val, test); 1, 2, ...: augmented copies (train)
        ("flipped", pa.bool_()),  # mirrored by augmentation: `sides` is exchanged, `report` is not
        ("canal_found", pa.bool_()),
        ("source_sha256", pa.string()),
        (
            "crop_row",
            pa.int32(),
        ),  # upper left corner of the field of view in the slice, pixels (may be negative)
        ("crop_column", pa.int32()),
    ]
)

TRUTH = pa.schema(
    [
        ("source_sha256", pa.string()),
        ("level", pa.string()),
        ("grade", pa.string()),  # true grade of this slice's level
        ("rows", pa.int32()),
        ("columns", pa.int32()),
        ("canal_mask", IMAGE),  # 8-bit PNG, 0 or 255
        ("clean", pa.binary()),  # noise-free pixels, as in SLICES; null where not kept
        ("sac_area_mm2", pa.float64()),  # of the thecal sac in this slice, before it was cut into pixels
        ("sac_diameter_mm", pa.float64()),  # of the sac from front to back in its middle
        ("findings", pa.list_(pa.string())),  # what is drawn at this disc, by `lss.phantom.visible_findings`
        ("anatomy", pa.string()),  # "", "steep sacrum", "sacralised L5" or "lumbarised S1"
    ]
)

_CASE = [
    ("slice_key", pa.string()),
    ("patient_key", pa.string()),
    ("level", pa.string()),
    ("grade", pa.string()),
]

CLASSIFICATION = pa.schema(
    [
        *_CASE,
        ("p_A", pa.float32()),
        ("p_BC", pa.float32()),
        ("p_D", pa.float32()),
        ("predicted", pa.string()),
    ]
)

SEGMENTATION = pa.schema(
    [
        *_CASE,
        ("mask", IMAGE),  # 8-bit PNG, 0 or 255, mask_size x mask_size
        ("area_percent", pa.float32()),
        ("mean_confidence", pa.float32()),  # mean probability inside the mask; null when empty
        ("max_confidence", pa.float32()),
        (
            "attention",
            pa.binary(),
        ),  # float16 grid_rows * grid_columns, mean over heads and prompts, sums to 1
        ("grid_rows", pa.int32()),
        ("grid_columns", pa.int32()),
        # as `mask`, with exchanged prompts (`lss.evaluation.prompt_exchange.EXCHANGES`); null without prompts
        ("mask_said_A", IMAGE),
        ("mask_said_D", IMAGE),
        ("mask_said_shuffled", IMAGE),
        ("mask_said_empty", IMAGE),
    ]
)

ABLATION_CASES = pa.schema(
    [
        ("backbone", pa.string()),
        ("fusion", pa.string()),
        ("repeat", pa.int32()),
        ("loss", pa.string()),
        *_CASE,
        ("dice_pseudo", pa.float64()),  # against the pseudo-mask
        ("iou_pseudo", pa.float64()),
        ("empty_pseudo", pa.bool_()),  # the pseudo-mask has no pixel
        ("dice_true", pa.float64()),  # against the phantom's true mask; these are null for other cohorts
        ("iou_true", pa.float64()),
        ("empty_true", pa.bool_()),
        ("canal_share", pa.float64()),  # of the image
        ("attention_inside", pa.float64()),  # share of the attention that lies on the true canal; null without prompts
    ]
)

REPORT = pa.schema(
    [
        *_CASE,
        ("report", pa.string()),
        ("reference", pa.string()),
        ("area_percent", pa.float32()),  # of the predicted mask the report was written from
        ("mask_grade", pa.string()),  # that this area stands for, by the model's own thresholds
        ("mask_side", pa.string()),  # the patient's side it clearly lies on: left, right, or null
        ("origin", pa.string()),  # first, regenerated, template: see predict.on_contradiction
        ("attempts", pa.int32()),  # texts the generator wrote for it
        ("first_report", pa.string()),  # the text that was replaced; null where origin is first
        ("left_out", pa.list_(pa.string())),  # sentences removed from the report: see predict.unsupported
    ]
)

PREDICTIONS = {"grade": CLASSIFICATION, "mask": SEGMENTATION, "report": REPORT}
"""By the kind of what a task predicts, see `lss.training.registry.TaskRecord.predicts`."""
