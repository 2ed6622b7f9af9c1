"""Where a model comes from: one record a model, of entries that are added and never changed.

Written by functions, so it needs no more than they carry; read and checked by `finetune lineage`.
"""
