"""What the system achieves and what each part of it costs, beside the limits of the machine measured in the same run.

``python -m bench`` starts everything; ``docs/performance.md`` explains the figures. The order of reading is ``mix``
(what a charge point says), ``load`` (many of them), ``systems`` (what is measured), ``__main__`` (rounds and tables).
"""
