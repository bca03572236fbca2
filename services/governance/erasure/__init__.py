"""The right to be forgotten: the saga that erases a person, its proof, and its replay."""
