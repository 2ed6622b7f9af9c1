"""What training left behind: reading a job's metrics, judging them, drawing them as one page.

Used by the command line and by functions alike, so it needs the standard library alone.
https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-analyze.html
"""
