"""What is known of a Bedrock model customization job: its identity, request, limits and life.

Shared by the Lambda functions, the CDK app at synth and the command line, so that each rule is
written once. Needs the standard library and botocore's bundled service model; no AWS call is made
at import.
"""
