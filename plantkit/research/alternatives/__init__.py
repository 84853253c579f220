"""What is known of other tickets of a bundle: as sparse and as good as the planted one.

`search` judges masks that pruners found from the bundle's public half alone. `neighbourhood`
starts from the planted ticket, drops its entries one by one and exchanges them for others.
`inquiry` does both and returns a record; `plantkit.research.records` reads it again.
"""
