"""What happens to jobs besides going well: each scenario deploys, looks, and leaves nothing."""
