"""Bedrock's model customization: jobs, custom models, their tags, and what Bedrock checks."""
