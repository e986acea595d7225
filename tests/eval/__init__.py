"""Evaluation on made-up companies whose truth is known: who leaves when, who is worth what, who caused which cost.

``make eval`` runs the real judge over each world and measures it beside its rivals; docs/evaluation.md says how.
"""
