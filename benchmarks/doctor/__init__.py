"""How good the doctor's advice is, by counterfactual: every remedy that it may name was tried on the same task."""
