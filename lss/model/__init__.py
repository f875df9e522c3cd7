"""What is learnt on top of a backbone: attention, decoder, heads, report generator."""
