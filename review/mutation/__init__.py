"""Weakened and neutral copies of a deployment, made without knowing any rule.

What the gate does not notice of the weakened copies, and what it remarks on in the neutral ones, is
what it is measured by: `python -m review.mutation`, `make mutation`. What is measured how, and what
counts as no weakening, says `docs/review-mutation.md`.
"""
