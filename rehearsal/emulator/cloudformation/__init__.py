"""What CloudFormation does on AWS and MiniStack does not: types, properties, refusals, a ledger."""
