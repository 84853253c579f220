"""What staff should look at: hand-ins that are alike, and answers that were memorised.

Nothing here judges. It finds the same code under other names (`texts`), the same masks on instances
that nobody has seen (`masks`), and masks that are good only where the answer is public
(`memories`).
"""
