"""What is deployed together: stacks that wire the constructs, and nothing else."""
