"""What happens after training, as the definition of a Step Functions state machine."""
