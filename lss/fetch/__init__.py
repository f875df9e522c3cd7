"""Getting what the paper used: its archive from Mendeley Data, the backbones' weights from the hub.

No stage: Snakemake never starts a download by itself. `lss fetch` is the only verb that uses the network.
"""
