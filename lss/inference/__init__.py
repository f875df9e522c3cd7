"""Run a trained model on slices: used by the stages, by `lss show-masks`, and for one study at a time.

`preparation` brings a slice to what the models saw in training, `prediction` and `report_writing` run a network on a
batch, and `bundle` loads a model's folder, which knows the settings of all of it.
"""
