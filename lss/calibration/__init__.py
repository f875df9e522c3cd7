"""How sure a model's grades are: probabilities that mean what they say, and sets of grades that hold the true one."""
