"""What Bedrock's model customization does with a request: jobs, custom models, names, limits, ends.

The one fake Bedrock. The emulator puts HTTP, authorisation, data and network around it, and the
functions' unit tests a boto3 client. It knows neither of them: the standard library, botocore's
model of the API (`shapes.py`), and nothing of a network, a policy or the time, which it is given.
"""
