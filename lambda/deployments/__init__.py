"""What is known of deployments of custom models: names, wishes, rows, steps, and Bedrock's word.

Shared by the submitter, which writes wishes down, the completion check, which waits for a removal,
and the deployer, which alone deploys and removes. docs/deployments.md is the page about it.
"""
