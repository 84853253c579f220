"""The reference pruners, one self-contained file each, in the shape of a submission."""
