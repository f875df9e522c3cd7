"""Plain functions on images: denoising, region of interest, pseudo-masks, augmentation, coding."""
