"""Captions of the figures, for the page; those of `snakemake --report` are in workflow/report."""

from __future__ import annotations

FIGURES: dict[str, tuple[str, str]] = {
    "figure2": (
        "Figure 2. Grades by the head.",
        "Confusion matrices per model (counts, and share of the grade); ROC curves per grade, with the area under each "
        "curve and its interval over patients.",
    ),
    "figure3": (
        "Figure 3. Grades by the predicted mask's area.",
        "Above with the paper's thresholds (10 % and 25 %), below with thresholds calibrated on the validation part; "
        "ROC curves per grade, with the area under each curve and its interval over patients. "
        "The score of B&C is the nearness to the middle between the thresholds, so its curve depends on them.",
    ),
    "figure4": (
        "Figure 4. Predicted masks.",
        "Input, reference (pseudo-mask) with its area (eq. 10), prediction with area and confidence, comparison with "
        "pixel counts. Of each grade the case nearest to the median Dice over all its cases, complete misses included.",
    ),
    "figure5": (
        "Figure 5. Grades stated by the generated reports.",
        "Read back out of the text. A text states one grade and no probability, so each ROC curve has one corner.",
    ),
    "figure6": (
        "Figure 6. Generated reports.",
        "Image with the outline of the predicted mask; generated text; the grades by text, mask area and head (a tick "
        "where it is the note's); what the text contradicts, in colour; the reference. Of each grade the cases nearest "
        "to the median CIDEr-D.",
    ),
    "figure7": (
        "Figure 7. Reliability of the grade head.",
        "How often an answer is right at its stated probability, in bins of a tenth; the number of cases stands beside "
        "each point, the calibration error with its interval in each panel.",
    ),
    "figure8": (
        "Figure 8. Decision curve for severe stenosis.",
        "Net benefit of acting on the head's probability of grade D, against calling all or none severe: at threshold "
        "t, of all images, the share that is severe and called so, less t / (1 - t) times the share that is called "
        "severe and is not. The band is the interval over patients at each threshold by itself, not of the curve as a "
        "whole. Beyond the last threshold shown the net benefit of every model is 0.",
    ),
    "figure9": (
        "Figure 9. Training.",
        "Loss and validation score per epoch; for PID-Tversky the weight of misses and the share of misses among "
        "errors, which steers it. The validation score chooses the epoch that is kept: of the grade head the "
        "probability given to the true grade, averaged within each grade and over the grades; of masks the Dice of all "
        "pixels together; of reports the mean of two numbers, the share that states the true grade and contradicts "
        "nothing, and the geometric mean of the probabilities of the reference's word pieces.",
    ),
    "figure10": (
        "Figure 10. Losses and fusions over the epochs.",
        "Weight of misses and pixel errors over the training part, log scale; mean over the repeats, the band from the "
        "least to the greatest of them. Only PID-Tversky moves its weight. The U-Net starts without anything learnt.",
    ),
    "figure11": (
        "Figure 11. What other prompts change.",
        "The cases of Figure 4, the middle of the view enlarged: the image with the outline of the reference, the mask "
        "with the network's own prompts, and with other words: yellow is in both masks, blue only with the other "
        "words, orange only with the own. Below, Dice against the pseudo-mask and the number of pixels that differ, "
        "of those in either mask. Single cases; Table 12 has the whole test part.",
    ),
}
"""Name to title and caption."""
