"""The function that follows jobs after their deployment: to their end, and to their stack's."""
