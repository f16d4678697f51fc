"""The pages of this project's report beside the claims: speed, synthesis, networks.

Each module turns files into a ``Page`` of plain data; what is not there is said in a sentence.
"""
