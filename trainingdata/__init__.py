"""Training data: what is wrong with a file, and how to make one that a job takes.

Nothing here calls AWS or opens a connection. A file is read in constant memory, and what is found
is told by kind and line: nothing of the data itself leaves these modules unless it is asked for.
"""
