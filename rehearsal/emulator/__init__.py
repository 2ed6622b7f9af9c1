"""MiniStack plus what it lacks for this app: `python -m rehearsal.emulator.serve OPTIONS.json`.

MiniStack answers the AWS APIs and runs the Lambda code. The modules beside this one add the
CloudFormation types and properties it does not have, refusals of the real services that it does
not make, the network path of each call, and Bedrock's model customization. Nothing trains.
"""
